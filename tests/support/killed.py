"""Real deaths: work in a child process that ends itself by SIGKILL before its n-th step.

A step is an SQL statement (a commit is one) or a message to Redis, as the drivers send them. No
`except`, `finally` or rollback runs: what is left is what the database and the server know.
And lost answers: the n-th commit is carried out, and its connection ends before that is known.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
from redis import Connection, UnixDomainSocketConnection
from sqlalchemy import Engine, event

from app.bootstrap import Platform
from app.errors import Unavailable
from app.store.database import Database

MOST = 300
LOST = 3


def at_every_step(
    platform: Platform, work: Callable[[], Any], after: Callable[[], None], stride: int = 1
) -> int:
    """Do `work` in children that die at their first, second, … step, until one gets to its end.

    `after` follows each death, and the end. How many steps there are; `stride` leaves some out.
    """
    for step in range(0, MOST, stride):
        died = dies_at(platform, step, work)
        after()
        if not died:
            return step
    raise AssertionError(f"it isn't done after {MOST} steps")


def dies_at(platform: Platform, step: int, work: Callable[[], Any]) -> bool:
    """Whether a child that does the work died before its step number `step` (from 0)."""
    return ended(begun(platform, work, step))


def begun(platform: Platform, work: Callable[[], Any], step: int | None = None) -> int:
    """A child that does the work, to its death or its end; its process id."""
    engines = _closed(platform)  # so that the child finds nothing of its parent's open
    child = os.fork()
    if child:
        _give(engines)
        return child
    try:
        platform.after_fork()
        _give(engines)
        if step is not None:
            _die_at(platform, step)
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


Engines = list[tuple[Database, Engine]]


def _closed(platform: Platform) -> Engines:
    """Close all that a platform opened; its engines, without a connection.

    They keep what they compiled, which costs more than the work itself to do again in each child.
    """
    databases = {platform.database, platform.archive_database}
    engines = [(database, database.engine) for database in databases]
    for _, engine in engines:
        engine.dispose()
    platform.close()
    return engines


def _give(engines: Engines) -> None:
    """To this process."""
    for database, engine in engines:
        database._engine, database._process = engine, os.getpid()


def loses_answer(platform: Platform, step: int, work: Callable[[], Any]) -> bool:
    """Whether a child that does the work lost the answer of PostgreSQL to its commit number `step`.

    That the work ends as `Unavailable` for it is no failure of the child.
    """

    def losing() -> None:
        left = _lose_answer(step)
        with suppress(Unavailable):
            work()
        if left[0] < 0:
            os._exit(LOST)

    _, status = os.waitpid(begun(platform, losing), 0)
    assert os.waitstatus_to_exitcode(status) in (0, LOST), "the child failed: see its traceback"
    return os.waitstatus_to_exitcode(status) == LOST


def _lose_answer(step: int) -> list[int]:
    left, commit = [step], psycopg.Connection.commit

    def lost(self: psycopg.Connection) -> None:
        left[0] -= 1
        commit(self)
        if left[0] == -1:
            self.close()
            raise psycopg.OperationalError("the connection was lost")

    psycopg.Connection.commit = lost  # type: ignore[method-assign]
    return left


def ended(child: int) -> bool:
    """Whether a child was killed; an error in it fails the test."""
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0, "the child failed: see its traceback above"
    return False


def _die_at(platform: Platform, step: int) -> None:
    left = [step]

    def count(*_: Any) -> None:
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1

    def traced(driver: Any, _record: Any) -> None:
        driver.set_trace_callback(count)

    if platform.database.on_sqlite:
        event.listen(platform.database.engine, "connect", traced)
    else:
        _before(psycopg.Cursor, "execute", count)
        _before(psycopg.Cursor, "copy", count)  # a step before its rows are sent,
        _before(psycopg.Copy, "finish", count)  # and one between them and their end
        _before(psycopg.Connection, "commit", count)
    for kind in (Connection, UnixDomainSocketConnection):
        _before(kind, "send_packed_command", count)


def _before(owner: type, name: str, count: Callable[[], None]) -> None:
    """Count each call, in this process, which ends with the work."""
    inner = getattr(owner, name)

    def counted(*args: Any, **options: Any) -> Any:
        count()
        return inner(*args, **options)

    setattr(owner, name, counted)
