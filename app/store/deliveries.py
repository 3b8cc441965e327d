"""Tables of what happened to events: one row for an event of a run, one for each delivery.

A delivery's row shows its newest generation and attempt; attempts that did not
succeed at once have rows of their own. Only the projection writes here.
Generations of replays are as large as milliseconds since 1970.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from app.store.columns import JsonText, Key, LongText, Moment, Serial

OPEN = ("waiting", "retrying")
SETTLED = ("succeeded", "parked", "cancelled")


class RunEvent(SQLModel, table=True):
    """An event that belongs to a run.

    `arrived` is false while it is known from a delivery's record only: what consumes it is
    not worked out yet, so its run isn't over.
    """

    __tablename__ = "run_events"
    __table_args__ = (Index("run_events_by_run", "correlationid", "published"),)

    event_id: str = Field(primary_key=True, sa_type=Key)
    event_source: str = Field(primary_key=True, sa_type=Key)
    type: str = Field(sa_type=Key)
    subject: str | None = Field(default=None, sa_type=Key)
    correlationid: str = Field(sa_type=Key)
    causationid: str | None = Field(default=None, sa_type=Key)
    time: float = Field(sa_type=Moment)
    published: float = Field(sa_type=Moment)
    arrived: bool


class Announced(SQLModel, table=True):
    """An event that a delivery says it emitted, and that hasn't arrived: its run isn't over."""

    __tablename__ = "announced_events"

    event_id: str = Field(primary_key=True, sa_type=Key)
    correlationid: str = Field(index=True, sa_type=Key)
    at: float = Field(sa_type=Moment)


class Delivery(SQLModel, table=True):
    __tablename__ = "deliveries"
    __table_args__ = (
        Index("deliveries_by_run", "correlationid"),
        Index(
            "deliveries_open",
            "subscription",
            "published",
            sqlite_where=text("settled = 0"),
            postgresql_where=text("NOT settled"),
        ),
    )

    event_id: str = Field(primary_key=True, sa_type=Key)
    event_source: str = Field(primary_key=True, sa_type=Key)
    subscription: str = Field(primary_key=True, sa_type=Key)
    type: str = Field(sa_type=Key)
    correlationid: str = Field(sa_type=Key)
    generation: int = Field(sa_type=Serial)
    attempt: int
    state: str = Field(sa_type=Key)
    settled: bool
    published: float = Field(sa_type=Moment)
    started: float | None = Field(default=None, sa_type=Moment)
    ended: float | None = Field(default=None, sa_type=Moment)
    due: float | None = Field(default=None, sa_type=Moment)
    error: str | None = Field(default=None, sa_type=LongText)
    worker: str | None = Field(default=None, sa_type=Key)
    replay: str | None = Field(default=None, sa_type=Key)


class DeliveryAttempt(SQLModel, table=True):
    """One try of a delivery, where a delivery took more than one or did not succeed."""

    __tablename__ = "delivery_attempts"

    event_id: str = Field(primary_key=True, sa_type=Key)
    event_source: str = Field(primary_key=True, sa_type=Key)
    subscription: str = Field(primary_key=True, sa_type=Key)
    generation: int = Field(primary_key=True, sa_type=Serial)
    attempt: int = Field(primary_key=True)
    state: str = Field(sa_type=Key)
    started: float = Field(sa_type=Moment)
    ended: float = Field(sa_type=Moment)
    error: str | None = Field(default=None, sa_type=LongText)
    traceback: str | None = Field(default=None, sa_type=LongText)
    worker: str | None = Field(default=None, sa_type=Key)


class AppliedRecord(SQLModel, table=True):
    """A record that was counted already: counting it again would be wrong."""

    __tablename__ = "applied_records"

    id: str = Field(primary_key=True, sa_type=Key)
    at: float = Field(index=True, sa_type=Moment)


class Counted(SQLModel):
    """Sums of a minute (counted from 1970), in seconds; of more in a CoarseRollup. The last two
    are histograms, as `app.telemetry.histogram` counts."""

    minute: int = Field(primary_key=True)
    succeeded: int
    retrying: int
    parked: int
    cancelled: int
    excluded: int
    waited: float = Field(sa_type=Moment)
    waited_max: float = Field(sa_type=Moment)
    worked: float = Field(sa_type=Moment)
    worked_max: float = Field(sa_type=Moment)
    waited_in: dict[str, int] | None = Field(default=None, sa_type=JsonText)
    worked_in: dict[str, int] | None = Field(default=None, sa_type=JsonText)


class Rollup(Counted, table=True):
    """What a subscription did."""

    __tablename__ = "rollups"
    __table_args__ = (Index("rollups_by_subscription", "subscription", "minute"),)

    subscription: str = Field(primary_key=True, sa_type=Key)


class WorkerRollup(Counted, table=True):
    """What a worker did, over all subscriptions."""

    __tablename__ = "worker_rollups"
    __table_args__ = (Index("worker_rollups_by_worker", "worker", "minute"),)

    worker: str = Field(primary_key=True, sa_type=Key)


class CoarseRollup(Counted, table=True):
    """What somebody did in `step` minutes from `minute` on: `subscription:NAME`, `worker:ID`, or
    `all` subscriptions, of whom single minutes are here too. Charts read these (`coarse.py`)."""

    __tablename__ = "coarse_rollups"

    step: int = Field(primary_key=True)
    whose: str = Field(primary_key=True, sa_type=Key)


class CoarseLag(SQLModel, table=True):
    """How far behind at the worst in `step` minutes; `events` is None where nobody knew."""

    __tablename__ = "coarse_lags"

    minute: int = Field(primary_key=True)
    step: int = Field(primary_key=True)
    whose: str = Field(primary_key=True, sa_type=Key)
    events: int | None = None
    seconds: float = Field(sa_type=Moment)


class Lag(SQLModel, table=True):
    """How far a subscription was behind at its worst in a minute; `events` is None where nobody knew."""

    __tablename__ = "lags"
    __table_args__ = (Index("lags_by_subscription", "subscription", "minute"),)

    minute: int = Field(primary_key=True)
    subscription: str = Field(primary_key=True, sa_type=Key)
    events: int | None = None
    seconds: float = Field(sa_type=Moment)


class Run(SQLModel, table=True):
    """Everything that one root event caused, as far as it is known."""

    __tablename__ = "runs"
    __table_args__ = (
        Index("runs_by_start", "started", "correlationid"),
        Index("runs_by_state", "state", "started", "correlationid"),
        Index("runs_by_type", "type", "started", "correlationid"),
    )

    correlationid: str = Field(primary_key=True, sa_type=Key)
    state: str = Field(sa_type=Key)
    outcome: str = Field(sa_type=Key)
    type: str = Field(sa_type=Key)
    subject: str | None = Field(default=None, sa_type=Key)
    events: int
    started: float = Field(sa_type=Moment)
    ended: float | None = Field(default=None, sa_type=Moment)


class DeadLetter(SQLModel, table=True):
    """A delivery that was parked: the whole event and every attempt's error.

    One row for an event and a subscription, however often it is parked. `generation` is the
    newest whose end is known; `code` and `model` are the versions that failed; `edit` is a
    JSON Patch that a person prepared for its replay. The indexes hold all that letters are counted
    by: counting reads none of the rows, which are large.
    """

    __tablename__ = "dead_letters"
    __table_args__ = (
        Index("dead_letters_of_event", "event_id", "event_source", "subscription", unique=True),
        Index("dead_letters_by_state", "state", "parked", "id", "subscription", "type", "group_id"),
        Index("dead_letters_by_group", "state", "group_id", "parked", "id", "subscription", "type"),
        Index(
            "dead_letters_by_subscription",
            "state",
            "subscription",
            "parked",
            "id",
            "type",
            "group_id",
        ),
        Index("dead_letters_by_type", "state", "type", "parked", "id", "subscription", "group_id"),
        Index("dead_letters_by_run", "correlationid"),
        Index(
            "dead_letters_edited",
            "state",
            "group_id",
            sqlite_where=text("edit_by IS NOT NULL"),
            postgresql_where=text("edit_by IS NOT NULL"),
        ),
    )

    id: str = Field(primary_key=True, sa_type=Key)
    event_id: str = Field(sa_type=Key)
    event_source: str = Field(sa_type=Key)
    type: str = Field(sa_type=Key)
    subscription: str = Field(sa_type=Key)
    correlationid: str = Field(sa_type=Key)
    generation: int = Field(sa_type=Serial)
    state: str = Field(sa_type=Key)
    reason: str = Field(sa_type=Key)
    title: str = Field(sa_type=LongText)
    frame: str = Field(sa_type=LongText)
    group_id: str = Field(sa_type=Key)
    first_parked: float = Field(sa_type=Moment)
    parked: float = Field(sa_type=Moment)
    replay: str | None = Field(default=None, sa_type=Key)
    event: dict[str, Any] = Field(sa_type=JsonText)
    attempts: list[dict[str, Any]] = Field(sa_type=JsonText)
    closed_by: str | None = Field(default=None, sa_type=Key)
    closed: float | None = Field(default=None, sa_type=Moment)
    closed_reason: str | None = Field(default=None, sa_type=LongText)
    code: str | None = Field(default=None, sa_type=Key)
    model: str | None = Field(default=None, sa_type=Key)
    edit: list[dict[str, Any]] | None = Field(default=None, nullable=True, sa_type=JsonText)
    edit_by: str | None = Field(default=None, sa_type=Key)
    edit_at: float | None = Field(default=None, sa_type=Moment)


class LastSuccess(SQLModel, table=True):
    """The newest event of a type that a subscription handled: to hold a failure against."""

    __tablename__ = "last_successes"

    subscription: str = Field(primary_key=True, sa_type=Key)
    type: str = Field(primary_key=True, sa_type=Key)
    event_id: str = Field(sa_type=Key)
    event_source: str = Field(sa_type=Key)
    correlationid: str = Field(sa_type=Key)
    at: float = Field(sa_type=Moment)
