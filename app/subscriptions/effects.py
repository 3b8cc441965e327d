"""`ctx.session`: database effects that happen once.

The transaction commits together with a row that marks each delivery as done
and holds its outputs. When a process dies between that commit and the settle,
the redelivery finds the row and publishes from it, without handling again.
Two executions at the same time (a hung one that comes back, say) can't both
commit: the row's key is the delivery's id.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from app.store import effects as marks
from app.store.database import Database
from app.store.failures import is_missing_table, translated
from app.store.lent import give_back, lend


class AlreadyDone(Exception):
    """Another execution of these deliveries has committed first: `outputs` by delivery id."""

    def __init__(self, outputs: dict[str, list[Any]]):
        super().__init__("the effects of this delivery are committed already")
        self.outputs = outputs


class Effects:
    """The transaction of one attempt, opened at its first use."""

    def __init__(self, database: Database):
        self.database = database
        self._transaction: AbstractContextManager[Session] | None = None
        self._session: Session | None = None
        self.uncertain = False
        """Whether the commit was asked for and failed: where only its answer was lost, it holds."""

    @property
    def begun(self) -> bool:
        """Whether the handler has used its session."""
        return self._session is not None

    @property
    def session(self) -> Session:
        if self._session is None:
            transaction = self.database.session()
            self._session = transaction.__enter__()
            self._transaction = transaction
            lend(self._session)
        return self._session

    def commit(self, outputs: Mapping[str, list[Any]], at: float) -> None:
        """Commit what was begun, and mark the deliveries as done with their outputs.

        Raises `AlreadyDone` where one of them was; then nothing is committed.
        """
        assert self._session is not None, "commit only what was begun"
        try:
            with translated(self.database.name):  # our own table may be missing, too
                for delivery_id, events in outputs.items():
                    marks.add(self._session, delivery_id, events, at)
        except IntegrityError as error:
            self.abandon(error)
            done = committed(self.database, list(outputs))
            if not done:
                raise
            raise AlreadyDone(done) from error
        transaction = self._given_back()
        if transaction is not None:
            self.uncertain = True
            transaction.__exit__(None, None, None)
            self.uncertain = False

    def abandon(self, error: BaseException) -> BaseException:
        """Roll back what was begun; what the attempt failed with.

        That is `error`, unless it is the database's condition (`Unavailable`), which no event is to
        blame for. A table that is missing is the handler's mistake: ours were there when the worker began.
        """
        transaction = self._given_back()
        if transaction is None:
            return error
        try:
            transaction.__exit__(type(error), error, error.__traceback__)
        except Exception as raised:
            return error if is_missing_table(error) else raised
        return error

    def _given_back(self) -> AbstractContextManager[Session] | None:
        """What was begun, to be ended by us; the next use begins another."""
        transaction, session = self._transaction, self._session
        self._transaction = self._session = None
        if session is not None:
            give_back(session)
        return transaction


def committed(database: Database, delivery_ids: list[str]) -> dict[str, list[Any]]:
    """The outputs of those deliveries whose effects are committed."""
    with database.read() as session:
        found = {one: marks.find(session, one) for one in delivery_ids}
    return {one: outputs for one, outputs in found.items() if outputs is not None}
