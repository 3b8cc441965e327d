"""Which deliveries' database effects are done: what makes them happen once.

`ctx.session` commits a handler's writes together with a row here that holds
the delivery's outputs. A redelivery after a crash between that commit and the
settle finds the row, skips the handler and publishes from it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete
from sqlmodel import Field, Session, SQLModel, col

from app.store.columns import JsonText, Key, Moment


class EffectRow(SQLModel, table=True):
    __tablename__ = "delivery_effects"

    delivery_id: str = Field(primary_key=True, sa_type=Key)
    outputs: Any = Field(default=None, nullable=True, sa_type=JsonText)
    at: float = Field(index=True, sa_type=Moment)


def find(session: Session, delivery_id: str) -> list[Any] | None:
    """The outputs of a delivery whose effects are committed, or None."""
    row = session.get(EffectRow, delivery_id)
    return None if row is None else row.outputs


def add(session: Session, delivery_id: str, outputs: list[Any], at: float) -> None:
    """Mark a delivery's effects as done, in the transaction of the effects.

    Raises sqlalchemy's IntegrityError where another execution has done so already.
    """
    session.add(EffectRow(delivery_id=delivery_id, outputs=outputs, at=at))
    session.flush()


def prune(session: Session, before: float) -> int:
    """Forget effects older than any redelivery can be; how many there were."""
    return session.execute(delete(EffectRow).where(col(EffectRow.at) < before)).rowcount  # type: ignore[attr-defined]
