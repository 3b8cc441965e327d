"""The rows of the event store: one for each event, never changed after its commit.

`position` orders all streams, `(stream, version)` one of them. `recorded` never goes
back within a stream. `subject_key` is room for forgetting: the name of the key that
personal data in this event is enciphered with, kept elsewhere and destroyed there.
"""

from __future__ import annotations

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.store.columns import Key, LongText, Moment, Serial


class StoredEventRow(SQLModel, table=True):
    __tablename__ = "stored_events"
    __table_args__ = (
        UniqueConstraint("stream", "version"),
        # One entry for each stream: the list of all streams, in order of their beginning.
        Index(
            "stored_events_first",
            "position",
            unique=True,
            sqlite_where=text("version = 1"),
            postgresql_where=text("version = 1"),
        ),
    )

    position: int | None = Field(default=None, primary_key=True, sa_type=Serial)
    stream: str = Field(sa_type=Key)
    version: int
    type: str = Field(sa_type=Key)
    event: str = Field(sa_type=LongText)
    actor: str | None = Field(default=None, nullable=True, sa_type=Key)
    recorded: float = Field(sa_type=Moment)
    subject_key: str | None = Field(default=None, nullable=True, sa_type=Key)
