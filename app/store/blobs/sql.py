"""Blobs in SQL, in chunks: for processes that share a database and no disk."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import LargeBinary, delete
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, SQLModel, col, select

from app.clock import SystemClock
from app.store.blobs.store import BlobStore, check, missing
from app.store.columns import Key, Moment, Serial
from app.store.database import Database


class BlobRow(SQLModel, table=True):
    __tablename__ = "blobs"

    ref: str = Field(primary_key=True, sa_type=Key)
    size: int = Field(sa_type=Serial)
    created: float = Field(sa_type=Moment)


class BlobChunk(SQLModel, table=True):
    __tablename__ = "blob_chunks"

    ref: str = Field(primary_key=True, foreign_key="blobs.ref", ondelete="CASCADE", sa_type=Key)
    number: int = Field(primary_key=True)
    data: bytes = Field(sa_type=LargeBinary)


class SqlBlobs(BlobStore):
    def __init__(self, database: Database):
        self._database = database

    def exists(self, ref: str) -> bool:
        with self._database.read() as session:
            return session.get(BlobRow, check(ref)) is not None

    def size(self, ref: str) -> int:
        with self._database.read() as session:
            row = session.get(BlobRow, check(ref))
        if row is None:
            raise missing(ref)
        return row.size

    def delete(self, ref: str) -> None:
        with self._database.session() as session:
            session.execute(delete(BlobRow).where(col(BlobRow.ref) == check(ref)))

    def _write(self, ref: str, content: Iterator[bytes], size: int) -> None:
        try:
            with self._database.session() as session:
                session.add(BlobRow(ref=ref, size=size, created=SystemClock.now()))
                session.flush()
                for number, chunk in enumerate(content):
                    session.add(BlobChunk(ref=ref, number=number, data=chunk))
                    session.flush()
                    session.expunge_all()
        except IntegrityError:
            if not self.exists(ref):  # else another wrote the same bytes meanwhile
                raise

    def _read(self, ref: str) -> Iterator[bytes]:
        size = self.size(ref)
        number = read = 0
        while read < size:
            with self._database.read() as session:
                chunk = session.exec(
                    select(BlobChunk.data).where(BlobChunk.ref == ref, BlobChunk.number == number)
                ).first()
            if chunk is None:
                return  # the hash will tell
            yield chunk
            read += len(chunk)
            number += 1
