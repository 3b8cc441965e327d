"""What an operator does with projections and reactors: see, rebuild, cancel, pause, resume, reset, skip, remove, wait.

Works on their rows alone, so the web process, which imports no author's code, can do it as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from redis.exceptions import RedisError
from sqlmodel import Session

from app.cqrs import builds, following, own_rebuild, removing, stopping, tables
from app.cqrs.as_of.rows import rows_as_of
from app.cqrs.declaration import is_ours
from app.cqrs.own_rebuild import CONSOLE
from app.cqrs.reaching import Reaching, absent, live_of, state_of
from app.errors import Conflict, Refused
from app.events.position import Position
from app.store import followers
from app.store.followers import BUILDING, LIVE, FollowerRow
from app.store.moments import iso
from app.store.ownership import OwnerRow

Rows = list[dict[str, Any]]
Steering = tuple[Session, list[FollowerRow], dict[str, Any]]


class Projections:
    """`platform.projections`."""

    def __init__(self, platform: Any):
        self.platform = platform
        self._reaching = Reaching(platform)
        self.wait_for, self.standing = self._reaching.wait_for, self._reaching.standing

    def list(self) -> Rows:
        """Each with how far it is behind, in events and seconds, and the progress of a build beside it."""
        head = self.platform.event_store.head()
        with self.platform.database.read() as session:
            rows = [row for row in followers.builds(session) if row.kind != CONSOLE]
        names = dict.fromkeys(row.name for row in rows)
        return [self._told([row for row in rows if row.name == name], head) for name in names]

    def stopped(self) -> Rows:
        """Those that need a hand, each with its `name`, its `kind` and `why`: without what an error says."""
        with self.platform.database.read() as session:
            rows = [row for row in followers.builds(session) if row.kind != CONSOLE]
        found = [row for row in rows if row.problem and not row.paused]
        told = {row.name: {"name": row.name, "kind": row.kind, "why": _why(row)} for row in found}
        return list(told.values())

    def all(self) -> Rows:
        """These, each with whether it is `declared`, and the console's own read models, of the kind `console`."""
        ours = self.platform.subscriptions.projections()
        return [*self._with_code(self.list()), self._runs(), *map(_console, ours)]

    def get(self, name: str) -> dict[str, Any]:
        """One of all. Raises `NotFound`."""
        rows = self.all() if is_ours(name) else self.list()
        found = [one for one in rows if one["name"] == name]
        if not found:
            raise absent(name)
        return (found if is_ours(name) else self._with_code(found))[0]

    def _with_code(self, rows: Rows) -> Rows:
        """Each with whether a live worker's code has it: `declared`, None where nobody can tell."""
        try:
            names = removing.declared(self.platform.workers.list())
        except RedisError:  # all else is told from SQL
            names = None
        return [
            {**row, "declared": None if names is None else row["name"] in names} for row in rows
        ]

    def rows_as_of(
        self, name: str, position: int | None = None, at: float | None = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """The rows of an earlier position or time, with their tables' names (`app.cqrs.as_of.rows`)."""
        return rows_as_of(self.platform, name, position, at)

    def owner(self) -> str | None:
        """The worker that follows the event store for all of them now; None where nobody does."""
        with self.platform.database.read() as session:
            row = session.get(OwnerRow, following.WHAT)
        alive = row is not None and row.until > self.platform.clock.now()
        return row.owner if row is not None and alive else None

    def position(self, name: str) -> int:
        """How far the live build has come. Raises `NotFound`."""
        with self.platform.database.read() as session:
            return live_of(followers.builds(session, name), name).position

    def wait(self, name: str, position: Position | str | int, seconds: float) -> bool:
        """Whether it has come to this position within so many seconds; `wait_for` tells more."""
        return bool(self.wait_for(name, position, seconds)["reached"])

    def rebuild(self, name: str, actor: str, reason: str = "") -> int:
        """Build it anew beside the live one, which it replaces when it has caught up; the build's number.

        Of one that is paused, when it is resumed.

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
        """Empty its tables and begin at the first event; readers see it fill again."""
        with self._steering(name, actor, "reset", reason) as (session, rows, _):
            live = live_of(rows, name)
            if live.kind == "reactor":
                raise Refused(
                    f"{name} is a reactor: its effects happen once, and are never rebuilt."
                )
            for row in rows:
                if row.state == BUILDING:
                    builds.leave(session, row)
            tables.empty(session.connection(), live.tables)
            live.position, live.skipped = 0, None
            stopping.no_more(live)
            session.add(live)

    def _runs(self) -> dict[str, Any]:
        """The console's rows of runs, and a rebuild of them."""
        with self.platform.database.read() as session:
            row = session.get(FollowerRow, (own_rebuild.RUNS, own_rebuild.BUILD))
        stands = self._reaching.standing(own_rebuild.RUNS)
        building = row is not None and row.state == BUILDING
        return {
            "name": own_rebuild.RUNS,
            "kind": CONSOLE,
            "version": 1,
            "state": stands["state"],
            "lag": stands["behind"]["seconds"],
            "behind": stands["behind"],
            "updated": iso(row.updated) if row else None,
            "problem": row.problem if row else None,
            "building": None
            if row is None or not building
            else {
                "version": 1,
                "position": row.position,
                "progress": row.position / own_rebuild.WHOLE,
                "problem": row.problem,
            },
        }

    def _told(self, rows: Sequence[FollowerRow], head: int) -> dict[str, Any]:
        live = next((row for row in rows if row.state == LIVE), rows[0])
        beside = next((row for row in rows if row.state == BUILDING), None)
        behind = self._reaching.lag(live, head)
        return {
            "name": live.name,
            "kind": live.kind,
            "version": live.version,
            "live": live.state == LIVE,
            "state": state_of(live, beside),
            "position": live.position,
            "head": head,
            "lag": behind["events"],
            "behind": behind,
            "updated": iso(live.updated),
            "problem": stopping.sentence(live),
            "stopped_by": stopping.event_of(live),
            "older_code": stopping.is_by_older_code(live),
            "skipped": live.skipped or [],
            "building": None
            if beside is None
            else {
                "version": beside.version,
                "position": beside.position,
                "progress": min(1.0, beside.position / head) if head else 1.0,
                "problem": stopping.sentence(beside),
                "stopped_by": stopping.event_of(beside),
                "older_code": stopping.is_by_older_code(beside),
            },
        }

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


def _why(row: FollowerRow) -> str:
    problem = stopping.place(row)
    return problem if row.state == LIVE else f"A build stands still beside it. {problem}"


def _console(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": row["name"],
        "kind": CONSOLE,
        "state": row["state"],
        "backlog": row["backlog"],
        "open": row["open"],
        "parked": row["parked"],
        "lag": row["oldest"],
        "behind": {"events": row["backlog"], "seconds": row["oldest"] or 0.0},
    }
