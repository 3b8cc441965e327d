"""What an operator does with projections and reactors: rebuild, cancel, pause, resume, reset, skip, remove, wait.

Works on their rows alone, so the web process, which imports no author's code, can do it as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlmodel import Session

from app.cqrs import builds, leaving_out, own_rebuild, removing, stopping, tables
from app.cqrs.declaration import is_ours
from app.cqrs.reaching import absent, live_of, state_of
from app.cqrs.shown import Shown
from app.errors import Conflict, Refused
from app.store import followers
from app.store.followers import BUILDING, LIVE, FollowerRow

Steering = tuple[Session, list[FollowerRow], dict[str, Any]]


class Projections(Shown):
    """`platform.projections`: what there is to see is in `app.cqrs.shown`."""

    def rebuild(self, name: str, actor: str, reason: str = "") -> int:
        """Build it anew beside the live one, which it replaces when it has caught up; the build's number.

        Of one that is paused, when it is resumed; where no worker is alive, when one is. Raises `Conflict` where
        workers are, and none has its code.

        The console's `runs` are replaced a few thousand at a time (`app.store.projection.rebuilding`).
        """
        if name == own_rebuild.RUNS:
            with self.platform.database.session() as session:
                own_rebuild.ask(session, self.platform.clock.now())
                self._noted(session, actor, "rebuilt", name, reason)
            return own_rebuild.BUILD
        with self._steering(name, actor, "rebuilt", reason) as (session, rows, _):
            live = live_of(rows, name)
            if live.kind == "reactor":
                raise Refused(
                    f"{name} is a reactor: its effects happen once, and are never rebuilt."
                )
            if any(row.state == BUILDING for row in rows):
                raise Conflict(f"{name} is being rebuilt already.")
            removing.check_there(self._workers() or [], name)
            build = builds.next_number(session, name, live.tables)
            followers.begin(
                session, name, build, live.kind, live.version, BUILDING, live.tables,
                self.platform.clock.now(), paused=live.paused,
            )  # fmt: skip
        return build

    def pause(self, name: str, actor: str, reason: str = "") -> None:
        """It reads no further, until `resume`."""
        with self._steering(name, actor, "paused", reason) as (session, rows, _):
            for row in rows:
                row.paused = True
                session.add(row)

    def resume(self, name: str, actor: str, reason: str = "") -> None:
        """It goes on; one that a poison event stopped tries that again."""
        with self._steering(name, actor, "resumed", reason) as (session, rows, _):
            for row in rows:
                row.paused = False
                stopping.no_more(row)
                session.add(row)

    def skip_newer(self, name: str, actor: str, reason: str = "", until: int | None = None) -> int:
        """Leave out every event that only newer code reads, of the type that stopped it; how many these are.

        For after a rollback for good. Up to the position `until`, by default the newest there is (`newer` told
        it, and the number). Raises `Conflict` where nothing of the kind stopped it.
        """
        with self._steering(name, actor, "skipped", reason) as (session, rows, more):
            found = [(row, what) for row in rows if (what := self._ahead(row, until))]
            if not found:
                raise Conflict(f"{name} isn't stopped by an event that only newer code reads.")
            for row, what in found:
                leaving_out.mark(row, what)
                session.add(row)
            more["leaves_out"] = most = max((what for _, what in found), key=_number)
        return _number(most)

    def skip(self, name: str, actor: str, reason: str = "") -> None:
        """Leave out the event that stopped it, and go on behind it.

        Also one whose data is newer than the code: where newer code was rolled back for good, nobody else
        goes on behind it.
        """
        with self._steering(name, actor, "skipped", reason) as (session, rows, more):
            stopped = [(row, by) for row in rows if (by := stopping.event_of(row))]
            if not stopped:
                raise Conflict(f"{name} isn't stopped by an event.")
            for row, by in stopped:
                builds.skip(row, by["position"], by["type"], by["error"])
                session.add(row)
            more["event"] = by

    def cancel(self, name: str, actor: str, reason: str = "") -> None:
        """Leave the build beside it, and its tables; the live one stays as it is.

        Where its version is higher than the live one's and its code is there, a worker begins it anew.
        """
        with self._steering(name, actor, "cancelled", reason) as (session, rows, _):
            begun = [row for row in rows if row.state == BUILDING]
            if not begun:
                raise Conflict(f"Nothing is built beside {name}.")
            for row in begun:
                builds.leave(session, row)

    def remove(self, name: str, actor: str, reason: str = "") -> Sequence[str]:
        """Forget one whose code is there no more; the tables that were dropped with it.

        Raises `Conflict` where a live worker's code has it.
        """
        with self._steering(name, actor, "removed", reason) as (session, rows, more):
            removing.check_gone(self.platform.workers.list(), name)
            more["dropped"] = dropped = removing.remove(session, rows)
        return dropped

    def reset(self, name: str, actor: str, reason: str = "") -> None:
        """Empty its tables and begin at the first event; readers see it fill again.

        Raises `Conflict` where workers are alive, and none has its code.
        """
        with self._steering(name, actor, "reset", reason) as (session, rows, _):
            live = live_of(rows, name)
            if live.kind == "reactor":
                raise Refused(
                    f"{name} is a reactor: its effects happen once, and are never rebuilt."
                )
            removing.check_there(self._workers() or [], name)
            for row in rows:
                if row.state == BUILDING:
                    builds.leave(session, row)
            tables.empty(session.connection(), live.tables)
            live.position, live.skipped, live.leaves_out = 0, None, None
            stopping.no_more(live)
            session.add(live)

    @contextmanager
    def _steering(self, name: str, actor: str, what: str, reason: str) -> Iterator[Steering]:
        """A transaction that holds all builds of one of them, and its line in the audit with the change."""
        with _changing(self.platform, name) as (session, rows):
            was, more = _standing(rows), dict[str, Any]()
            yield session, rows, more
            session.flush()
            now = _standing(followers.builds(session, name))
            self._noted(session, actor, what, name, reason, was, now, **more)

    def _noted(
        self, session: Session, actor: str, what: str, name: str, reason: str,
        before: Any = None, after: Any = None, **details: Any,
    ) -> None:  # fmt: skip
        self.platform.audit.record(
            actor, f"projection.{what}", f"projection:{name}", before, after, session=session,
            reason=reason, **details,
        )  # fmt: skip


@contextmanager
def _changing(platform: Any, name: str) -> Iterator[tuple[Session, list[FollowerRow]]]:
    """A transaction that holds all builds of one of them. Raises `NotFound`."""
    if is_ours(name):
        raise Refused(
            f"{name} belongs to the console. Its runs can be rebuilt: "
            "`python -m app projections rebuild runs`"
        )
    with platform.database.session() as session:
        found = [
            followers.locked(session, row.name, row.build)
            for row in followers.builds(session, name)
        ]
        rows = [row for row in found if row is not None]
        if not rows:
            raise absent(name)
        yield session, rows


def _number(what: dict[str, Any]) -> int:
    return int(what["events"])


def _standing(rows: Sequence[FollowerRow]) -> dict[str, Any]:
    """How one stands, for the audit: without what an error says, which may hold people's data."""
    live = next((row for row in rows if row.state == LIVE), None)
    beside = next((row for row in rows if row.state == BUILDING), None)
    one = live or beside
    return {
        "state": state_of(one, beside if live else None) if one else None,
        "position": live.position if live else None,
        "skipped": len(live.skipped or ()) if live else None,
        "building": beside.position if beside else None,
    }
