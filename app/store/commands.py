"""Commands in SQL: which there are, and the answers of those that were given, by their keys.

Workers and the release write which there are, for the web process, which imports no author's
code. An answer is written in the transaction of what was done; a refusal by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import delete, text
from sqlmodel import Field, Session, SQLModel, col, select

from app.store.bulk import Bulk
from app.store.columns import JsonText, Key, LongText, Moment, key
from app.store.deliveries import DeadLetter

LOCK = 0x70656E04
REQUEST = "request:"
"""How the names of rows begin that are no command's: changes that were asked for under a key (`app.store.once`)."""
SUBSCRIPTION = "penstock.commands"
"""Which carries them out (`app.cqrs.giving`)."""


class KnownRow(SQLModel, table=True):
    """A command that some module declares; `level` is who may give it."""

    __tablename__ = "commands"

    name: str = Field(primary_key=True, sa_type=Key)
    module: str = Field(sa_type=Key)
    level: str = Field(sa_type=Key)
    json_schema: Any = Field(sa_type=JsonText)
    doc: str = Field(default="", sa_type=LongText)


class CommandRow(SQLModel, table=True):
    """`given` is a digest of what was asked; `answer` and `problem` are None until it is done or refused."""

    __tablename__ = "command_answers"

    command: str = Field(primary_key=True, sa_type=Key)
    actor: str = Field(primary_key=True, sa_type=Key)
    key: str = Field(primary_key=True, sa_type=Key)
    id: str | None = Field(default=None, index=True, nullable=True, sa_type=Key)
    given: str = Field(sa_type=Key)
    answer: Any = Field(default=None, nullable=True, sa_type=JsonText)
    problem: Any = Field(default=None, nullable=True, sa_type=JsonText)
    at: float = Field(index=True, sa_type=Moment)


def declare(session: Session, declared: Iterable[Mapping[str, Any]]) -> None:
    """Keep these commands."""
    Bulk(session).lock(LOCK)  # every worker says the same when it starts
    for one in declared:
        session.merge(KnownRow(**one))


def undeclare(session: Session, names: Iterable[str]) -> None:
    """No code has these any more."""
    session.execute(delete(KnownRow).where(col(KnownRow.name).in_(list(names))))


def known(session: Session) -> list[KnownRow]:
    """Every command there is, by name."""
    return list(session.exec(select(KnownRow).order_by(col(KnownRow.name))))


def opened(
    session: Session, command: str, actor: str, name: str, id: str | None, given: str, now: float
) -> CommandRow:
    """The row of this key, made where there is none, locked until the transaction ends."""
    values = {"command": key(command), "actor": key(actor), "key": key(name)}
    session.execute(
        text(
            "INSERT INTO command_answers (command, actor, key, id, given, answer, problem, at)"
            " VALUES (:command, :actor, :key, :id, :given, NULL, NULL, :at)"
            " ON CONFLICT (command, actor, key) DO NOTHING"
        ),
        {**values, "id": id, "given": given, "at": now},
    )
    query = select(CommandRow).where(
        col(CommandRow.command) == values["command"],
        col(CommandRow.actor) == values["actor"],
        col(CommandRow.key) == values["key"],
    )
    return session.exec(query.with_for_update()).one()


class Given(NamedTuple):
    """A command's row, and the dead letter that it was left as: parked or discarded."""

    row: CommandRow
    letter: str | None
    parked: str | None


STATES = ("waiting", "parked", "discarded", "done", "refused")
OPEN = ("waiting", "parked")
"""It may still be carried out."""
_LEFT = (
    (col(DeadLetter.event_id) == col(CommandRow.id))
    & (col(DeadLetter.subscription) == SUBSCRIPTION)
    & col(DeadLetter.state).in_(("parked", "discarded"))
)


def _given() -> Any:
    columns: Any = (CommandRow, DeadLetter.id, DeadLetter.state)
    return select(*columns).outerjoin(DeadLetter, _LEFT)


def found(session: Session, id: str) -> Given | None:
    """The command that was given under this id."""
    row = session.exec(_given().where(col(CommandRow.id) == key(id))).first()
    return Given(*row) if row else None


def forget(session: Session, id: str) -> None:
    """This one was not given after all."""
    open_ = col(CommandRow.answer).is_(None) & col(CommandRow.problem).is_(None)
    session.execute(delete(CommandRow).where(col(CommandRow.id) == key(id), open_))


def newest(
    session: Session,
    limit: int,
    before: tuple[float, str] | None,
    command: str | None,
    state: str | None,
) -> list[Given]:
    """Those that were given last; `before` is the place of one, in time and by its id."""
    query = (
        _given()
        .where(~col(CommandRow.command).startswith(REQUEST))
        .order_by(col(CommandRow.at).desc(), col(CommandRow.id).desc())
    )
    if command:
        query = query.where(CommandRow.command == key(command))
    if state:
        answered, refused = (
            col(CommandRow.answer).is_not(None),
            col(CommandRow.problem).is_not(None),
        )
        left = col(DeadLetter.state)
        query = query.where(
            {
                "done": answered,
                "refused": refused,
                "waiting": ~answered & ~refused & left.is_(None),
            }.get(state, ~answered & ~refused & (left == state))
        )
    if before:
        at, id = before
        older = (col(CommandRow.at) == at) & (col(CommandRow.id) < id)
        query = query.where((col(CommandRow.at) < at) | older)
    return [Given(*row) for row in session.exec(query.limit(limit))]


def prune(session: Session, before: float) -> int:
    """Forget answers that nobody asks for again; how many."""
    gone = session.execute(delete(CommandRow).where(col(CommandRow.at) < before))
    return gone.rowcount  # type: ignore[attr-defined]
