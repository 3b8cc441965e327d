"""Alerts as SQL holds them: rules that people changed, states, alerts, mutes.

One row of `alert_states` for a rule and target that is not quiet; one row of
`alerts` from its raising on. Who judges takes LOCK first, so that two who
believe themselves the judge do not both raise.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index, func
from sqlmodel import Field, Session, SQLModel, col, select

from app.store.columns import JsonText, Key, LongText, Moment
from app.store.database import Database
from app.store.moments import iso
from app.store.page import Page, paged, read_cursor

LOCK = 0x70656E0A
OPEN = "raised"
STATES = ("raised", "resolved")


class AlertRuleRow(SQLModel, table=True):
    """A rule as somebody set it: in the place of the default of that name, or a new one."""

    __tablename__ = "alert_rules"

    name: str = Field(primary_key=True, sa_type=Key)
    rule: dict[str, Any] = Field(sa_type=JsonText)
    changed: float = Field(sa_type=Moment)
    changed_by: str = Field(sa_type=Key)


class AlertStateRow(SQLModel, table=True):
    __tablename__ = "alert_states"

    rule: str = Field(primary_key=True, sa_type=Key)
    target: str = Field(primary_key=True, sa_type=Key)
    phase: str = Field(sa_type=Key)
    since: float = Field(sa_type=Moment)
    at: float = Field(sa_type=Moment)
    alert: str | None = Field(default=None, sa_type=Key)


class AlertRow(SQLModel, table=True):
    """`told` says how much of it was published: 0 nothing, 1 raised, 2 resolved."""

    __tablename__ = "alerts"
    __table_args__ = (
        Index("alerts_by_time", "raised", "id"),
        Index("alerts_by_state", "state", "raised", "id"),
    )

    id: str = Field(primary_key=True, sa_type=Key)
    state: str = Field(sa_type=Key)
    rule: str = Field(sa_type=Key)
    measure: str = Field(sa_type=Key)
    target: str = Field(sa_type=Key)
    severity: str = Field(sa_type=Key)
    above: float = Field(sa_type=Moment)
    value: float | None = Field(default=None, sa_type=Moment)
    worst: float = Field(sa_type=Moment)
    raised: float = Field(sa_type=Moment)
    resolved: float | None = Field(default=None, sa_type=Moment)
    reason: str | None = Field(default=None, sa_type=LongText)
    acknowledged_by: str | None = Field(default=None, sa_type=Key)
    acknowledged: float | None = Field(default=None, sa_type=Moment)
    note: str | None = Field(default=None, sa_type=LongText)
    told: int = 0


class AlertMuteRow(SQLModel, table=True):
    """`target` is empty where the whole rule is muted."""

    __tablename__ = "alert_mutes"

    rule: str = Field(primary_key=True, sa_type=Key)
    target: str = Field(primary_key=True, sa_type=Key)
    until: float = Field(sa_type=Moment)
    by: str = Field(sa_type=Key)
    at: float = Field(sa_type=Moment)
    note: str = Field(default="", sa_type=LongText)


class AlertStore:
    """Reading; the writes are `app.alerts.alerts`', in one transaction with what they decide."""

    def __init__(self, database: Database):
        self.database = database

    def find(
        self, state: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page[AlertRow]:
        """Alerts, newest first."""
        newest = col(AlertRow.raised).desc(), col(AlertRow.id).desc()
        query = select(AlertRow).order_by(*newest).limit(limit + 1)
        if state:
            query = query.where(AlertRow.state == state)
        if cursor:
            at, id = read_cursor(cursor, float, str)
            older = (col(AlertRow.raised) == at) & (col(AlertRow.id) < id)
            query = query.where((col(AlertRow.raised) < at) | older)
        with self.database.read() as session:
            rows = session.exec(query).all()
        return paged(rows, limit, lambda row: (row.raised, row.id), lambda row: row)

    def get(self, id: str) -> AlertRow | None:
        with self.database.read() as session:
            return session.get(AlertRow, id)

    def rules(self) -> list[AlertRuleRow]:
        with self.database.read() as session:
            return list(session.exec(select(AlertRuleRow)))

    def mutes(self, now: float) -> dict[tuple[str, str], AlertMuteRow]:
        """Those in force, by rule and target."""
        with self.database.read() as session:
            rows = session.exec(select(AlertMuteRow).where(AlertMuteRow.until > now))
            return {(row.rule, row.target): row for row in rows}

    def untold(self) -> list[AlertRow]:
        """Alerts of which something is still to be published, oldest first."""
        told = (col(AlertRow.told) < 1) | (
            (col(AlertRow.told) < 2) & (AlertRow.state == "resolved")
        )
        with self.database.read() as session:
            return list(session.exec(select(AlertRow).where(told).order_by(col(AlertRow.raised))))

    def up(self) -> list[AlertRow]:
        with self.database.read() as session:
            query = select(AlertRow).where(AlertRow.state == OPEN)
            return list(session.exec(query.order_by(col(AlertRow.raised).desc())))

    def count(self) -> int:
        with self.database.read() as session:
            query = select(func.count()).select_from(AlertRow).where(AlertRow.state == OPEN)
            return session.exec(query).one()


def states(session: Session) -> dict[tuple[str, str], AlertStateRow]:
    return {(row.rule, row.target): row for row in session.exec(select(AlertStateRow))}


def show_alert(row: AlertRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "state": row.state,
        "rule": row.rule,
        "measure": row.measure,
        "target": row.target,
        "severity": row.severity,
        "above": row.above,
        "value": row.value,
        "worst": row.worst,
        "raised": iso(row.raised),
        "resolved": iso(row.resolved),
        "reason": row.reason,
        "acknowledged": {"by": row.acknowledged_by, "at": iso(row.acknowledged), "note": row.note}
        if row.acknowledged_by
        else None,
    }


def show_mute(row: AlertMuteRow) -> dict[str, Any]:
    return {
        "rule": row.rule,
        "target": row.target,
        "until": iso(row.until),
        "by": row.by,
        "at": iso(row.at),
        "note": row.note,
    }
