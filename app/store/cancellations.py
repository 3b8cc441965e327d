"""Runs that a person cancelled: who, when and why. Long handlers look, and stop."""

from __future__ import annotations

from sqlmodel import Field, Session, SQLModel

from app.store.columns import Key, LongText, Moment, clean, key


class CancellationRow(SQLModel, table=True):
    __tablename__ = "cancellations"

    correlationid: str = Field(primary_key=True, sa_type=Key)
    by: str = Field(sa_type=Key)
    reason: str = Field(sa_type=LongText)
    at: float = Field(sa_type=Moment)


def cancel(session: Session, correlationid: str, by: str, reason: str, at: float) -> bool:
    """Whether it is new."""
    if session.get(CancellationRow, key(correlationid)) is not None:
        return False
    session.add(
        CancellationRow(correlationid=key(correlationid), by=key(by), reason=clean(reason), at=at)
    )
    session.flush()
    return True


def cancelled(session: Session, correlationid: str) -> CancellationRow | None:
    return session.get(CancellationRow, key(correlationid))
