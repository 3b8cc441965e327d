"""The archive's tables, apart from all others: on SQLite they have a file of their own."""

from __future__ import annotations

from sqlalchemy import Index, LargeBinary, MetaData, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.store.columns import Key, LongText, Moment, Serial

ARCHIVE = MetaData()


class ArchivedEvent(SQLModel, table=True):
    """An event as it was published.

    `envelope` is the event's stored form without its data, `data` the data's JSON, apart so
    that a search sees values and not attributes' names. The other columns are there to be
    looked for. `position` sorts like the stream's entry ids.
    """

    __tablename__ = "events"
    metadata = ARCHIVE
    __table_args__ = (
        UniqueConstraint("id", "source", name="events_identity"),
        Index("events_by_time", "time", "number"),
        Index("events_by_type", "type", "time", "number"),
        Index("events_by_topic", "topic", "time", "number"),
        Index("events_by_place", "topic", "partition", "position"),
        Index("events_by_correlation", "correlationid", "time", "number"),
        Index(
            "events_by_subject",
            "subject",
            "time",
            "number",
            sqlite_where=text("subject IS NOT NULL"),
            postgresql_where=text("subject IS NOT NULL"),
        ),
        Index(
            "events_by_key",
            "partitionkey",
            "time",
            "number",
            sqlite_where=text("partitionkey IS NOT NULL"),
            postgresql_where=text("partitionkey IS NOT NULL"),
        ),
    )

    number: int | None = Field(default=None, primary_key=True, sa_type=Serial)
    id: str = Field(sa_type=Key)
    source: str = Field(sa_type=Key)
    type: str = Field(sa_type=Key)
    subject: str | None = Field(default=None, sa_type=Key)
    partitionkey: str | None = Field(default=None, sa_type=Key)
    correlationid: str = Field(sa_type=Key)
    topic: str = Field(sa_type=Key)
    partition: int
    position: str = Field(sa_type=Key)
    time: float = Field(sa_type=Moment)
    archived: float = Field(sa_type=Moment)
    envelope: str = Field(sa_type=LongText)
    data: str | None = Field(default=None, sa_type=LongText)


class ArrivalCount(SQLModel, table=True):
    """How many events of a type came in a minute (counted from 1970), for charts."""

    __tablename__ = "arrival_counts"
    metadata = ARCHIVE

    minute: int = Field(primary_key=True)
    type: str = Field(primary_key=True, sa_type=Key)
    topic: str = Field(sa_type=Key)
    count: int


class CoarseArrivals(SQLModel, table=True):
    """The same of `step` minutes from `minute` on, for charts of days: see `coarse.py`."""

    __tablename__ = "coarse_arrivals"
    metadata = ARCHIVE

    step: int = Field(primary_key=True)
    minute: int = Field(primary_key=True)
    type: str = Field(primary_key=True, sa_type=Key)
    topic: str = Field(sa_type=Key)
    count: int


class SettledRecords(SQLModel, table=True):
    """A batch of records of settled deliveries (`app.store.settled_records`).

    `first` and `last` are when the earliest and the latest of the batch's leases settled.
    """

    __tablename__ = "settled_records"
    metadata = ARCHIVE
    __table_args__ = (Index("settled_records_by_time", "last"),)

    number: int | None = Field(default=None, primary_key=True, sa_type=Serial)
    first: float = Field(sa_type=Moment)
    last: float = Field(sa_type=Moment)
    count: int
    body: bytes = Field(sa_type=LargeBinary)
