"""The types' schemas as SQL holds them: for the web process, which imports no handlers.

Workers and the release step write them; who reads them often keeps them for a moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlmodel import Field, SQLModel, col, select

from app.clock import Clock, SystemClock
from app.errors import Unavailable
from app.events.catalogue import StoredSchema
from app.store.bulk import Bulk
from app.store.columns import JsonText, Key, LongText, Moment
from app.store.database import Database
from app.store.moments import iso

LOCK = 0x70656E03
KEPT = 2.0
"""Seconds for which `KeptSchemas` believes what it read."""


class SchemaRow(SQLModel, table=True):
    __tablename__ = "schemas"

    type: str = Field(primary_key=True, sa_type=Key)
    version: int = Field(primary_key=True)
    topic: str = Field(sa_type=Key)
    tracking: str = Field(sa_type=Key)
    json_schema: dict[str, Any] = Field(sa_type=JsonText)
    doc: str = Field(default="", sa_type=LongText)
    saved: float = Field(sa_type=Moment)


class SchemaStore:
    def __init__(self, database: Database, clock: Clock | None = None):
        self._database = database
        self._clock = clock or SystemClock()

    def save(
        self,
        type: str,
        version: int,
        topic: str,
        json_schema: dict[str, Any],
        tracking: str = "run",
        doc: str = "",
    ) -> bool:
        """Keep one version of a type; True where that changed anything."""
        said: dict[str, Any] = {
            "topic": topic,
            "json_schema": json_schema,
            "tracking": tracking,
            "doc": doc,
        }
        with self._database.read() as session:
            row = session.get(SchemaRow, (type, version))
        if row and all(getattr(row, name) == value for name, value in said.items()):
            return False
        with self._database.session() as session:
            Bulk(session).lock(LOCK)  # every worker saves the same ones when it starts
            session.merge(SchemaRow(type=type, version=version, saved=self._clock.now(), **said))
        return True

    def all(self) -> list[dict[str, Any]]:
        """Every version of every type, the newest of each first."""
        query = select(SchemaRow).order_by(col(SchemaRow.type), col(SchemaRow.version).desc())
        with self._database.read() as session:
            return [_show(row) for row in session.exec(query)]

    def get(self, type: str) -> dict[str, Any] | None:
        """The newest version of a type, or None where it has no schema."""
        query = (
            select(SchemaRow).where(SchemaRow.type == type).order_by(col(SchemaRow.version).desc())
        )
        with self._database.read() as session:
            row = session.exec(query).first()
        return _show(row) if row else None


class KeptSchemas:
    """The newest schema of each type, believed for a moment without looking again."""

    def __init__(self, schemas: SchemaStore, clock: Clock):
        self._schemas = schemas
        self._clock = clock
        self._looked = float("-inf")
        self._known: Mapping[str, StoredSchema] | None = None

    def newest(self) -> Mapping[str, StoredSchema]:
        """As they last were where SQL can't be asked now: a delivery is settled all the same."""
        if self._clock.monotonic() - self._looked > KEPT:
            try:
                self._known = self._read()
            except Unavailable:
                if self._known is None:
                    raise
            self._looked = self._clock.monotonic()
        return self._known or {}

    def anew(self) -> Mapping[str, StoredSchema]:
        """As they are now."""
        self._known, self._looked = self._read(), self._clock.monotonic()
        return self._known

    def _read(self) -> Mapping[str, StoredSchema]:
        # The newest of a type comes last in this order, and stays.
        return {
            row["type"]: StoredSchema(row["version"], row["topic"], row["tracking"], row["schema"])
            for row in reversed(self._schemas.all())
        }


def _show(row: SchemaRow) -> dict[str, Any]:
    return {
        "type": row.type,
        "version": row.version,
        "topic": row.topic,
        "tracking": row.tracking,
        "schema": row.json_schema,
        "doc": row.doc,
        "saved": iso(row.saved),
    }
