"""What an operator sees of projections and reactors: which there are, how far each is, what stopped it.

Told from their rows alone, so the web process, which imports no author's code, can do it as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from redis.exceptions import RedisError

from app.cqrs import following, held_up, leaving_out, own_rebuild, removing, stopping
from app.cqrs.as_of.rows import rows_as_of
from app.cqrs.declaration import is_ours
from app.cqrs.own_rebuild import CONSOLE
from app.cqrs.reaching import Reaching, absent, live_of, state_of
from app.events.position import Position
from app.store import followers
from app.store.followers import BUILDING, LIVE, FollowerRow
from app.store.moments import iso
from app.store.ownership import OwnerRow

Rows = list[dict[str, Any]]


class Shown:
    """The part of `platform.projections` that reads."""

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
        """Those that need a hand, each with its `name`, its `kind` and `why`: without what an error says.

        Also one whose function doesn't come back.
        """
        slow, now = held_up.by_name(self._workers() or []), self.platform.clock.now()
        with self.platform.database.read() as session:
            rows = [row for row in followers.builds(session) if row.kind != CONSOLE]
        found = [row for row in rows if row.problem and not row.paused]
        told = {row.name: {"name": row.name, "kind": row.kind, "why": _why(row)} for row in found}
        for row in rows:
            if row.name in slow and held_up.is_long(slow[row.name], now):
                why = held_up.why(slow[row.name])
                told.setdefault(row.name, {"name": row.name, "kind": row.kind, "why": why})
        return list(told.values())

    def all(self) -> Rows:
        """These, each with whether it is `declared`, and the console's own read models, of the kind `console`."""
        ours = self.platform.subscriptions.projections()
        return [*self._with_code(self.list()), self._runs(), *map(console, ours)]

    def get(self, name: str) -> dict[str, Any]:
        """One of all. Raises `NotFound`."""
        rows = self.all() if is_ours(name) else self.list()
        found = [one for one in rows if one["name"] == name]
        if not found:
            raise absent(name)
        return (found if is_ours(name) else self._with_code(found))[0]

    def _with_code(self, rows: Rows) -> Rows:
        """Each with whether a live worker's code has it: `declared`, None where nobody can tell.

        `slow`: where its function takes long just now, since when, at which event, in which worker.
        """
        workers = self._workers()
        names = removing.declared(workers or [])
        slow = {name: _slow(one) for name, one in held_up.by_name(workers or []).items()}
        return [
            {
                **row,
                "declared": None if names is None else row["name"] in names,
                "slow": slow.get(row["name"]),
            }
            for row in rows
        ]

    def _workers(self) -> Rows | None:
        """As their beats tell; None where Redis is away: all else is told from SQL."""
        try:
            found: Rows = self.platform.workers.list()
        except RedisError:
            return None
        return found

    def newer(self, name: str) -> dict[str, Any] | None:
        """What `skip_newer` would leave out: `{"type", "above", "events", "until"}`, of versions above that one.

        None where no event of newer code stops it. Raises `NotFound`.
        """
        with self.platform.database.read() as session:
            rows = followers.builds(session, name)
        if not rows:
            raise absent(name)
        found = [what for row in rows if (what := self._ahead(row))]
        return max(found, key=lambda what: what["events"], default=None)

    def _ahead(self, row: FollowerRow, until: int | None = None) -> dict[str, Any] | None:
        return leaving_out.ahead(self.platform.event_store, row, until)

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


def _slow(told: dict[str, Any]) -> dict[str, Any]:
    return {**told, "since": iso(told["since"]), "what_to_do": held_up.why(told)}


def _why(row: FollowerRow) -> str:
    problem = stopping.place(row)
    return problem if row.state == LIVE else f"A build stands still beside it. {problem}"


def console(row: dict[str, Any]) -> dict[str, Any]:
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
