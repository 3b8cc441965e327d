"""The answers of commands, by their idempotency keys: written in the transaction of what they did."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, text
from sqlmodel import Field, Session, SQLModel, col, select

from app.store.columns import JsonText, Key, Moment, key


class CommandRow(SQLModel, table=True):
    """`given` is a digest of what was asked; `answer` None until the transaction that made it ends."""

    __tablename__ = "command_answers"

    command: str = Field(primary_key=True, sa_type=Key)
    actor: str = Field(primary_key=True, sa_type=Key)
    key: str = Field(primary_key=True, sa_type=Key)
    given: str = Field(sa_type=Key)
    answer: Any = Field(default=None, nullable=True, sa_type=JsonText)
    at: float = Field(index=True, sa_type=Moment)


def opened(
    session: Session, command: str, actor: str, name: str, given: str, now: float
) -> CommandRow:
    """The row of this key, made where there is none, locked until the transaction ends."""
    values = {"command": key(command), "actor": key(actor), "key": key(name)}
    session.execute(
        text(
            "INSERT INTO command_answers (command, actor, key, given, answer, at)"
            " VALUES (:command, :actor, :key, :given, NULL, :at)"
            " ON CONFLICT (command, actor, key) DO NOTHING"
        ),
        {**values, "given": given, "at": now},
    )
    query = select(CommandRow).where(
        col(CommandRow.command) == values["command"],
        col(CommandRow.actor) == values["actor"],
        col(CommandRow.key) == values["key"],
    )
    return session.exec(query.with_for_update()).one()


def prune(session: Session, before: float) -> int:
    """Forget answers that nobody asks for again; how many."""
    gone = session.execute(delete(CommandRow).where(col(CommandRow.at) < before))
    return gone.rowcount  # type: ignore[attr-defined]
