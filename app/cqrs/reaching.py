"""Whether a read model has come to a position, and waiting until it has: read your own writes.

An author's projection or reactor follows the event store, so a position of the store stands for
it. The console's `events` and `runs` follow the topics: a place in a topic's partition stands for
them, and for a position of the store the place that the relay brought its event to. What becomes
of an event later (its deliveries, dead letters, figures) has no position yet when it is published:
follow its run for that.

Guarantee: `reached` is said only where what was written up to the position is in the rows, but for
events that a projection left out: whether the one at that very position was is told with it. Only
where the archive failed in the middle of a batch, and tries again, may a run be a moment late.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.cqrs.declaration import CONSOLE
from app.cqrs.looking import look_until
from app.cqrs.stopping import is_by_older_code, needs
from app.errors import Conflict, NotFound, Refused
from app.events.event import PRIVATE, Event
from app.events.position import Position
from app.store import followers, ownership
from app.store.followers import BUILDING, LIVE, FollowerRow
from app.streams import keys
from app.streams.backlog import has_settled
from app.subscriptions.relay import WHAT as RELAY

ARCHIVE = "penstock.archive"
LOOKS = (0.01, 0.1)
"""Seconds between two looks: at first, and at most."""

Told = dict[str, Any]


class Reaching:
    """What `platform.projections` knows of positions."""

    def __init__(self, platform: Any):
        self.platform = platform

    def wait_for(self, name: str, position: Position | str | int, seconds: float) -> Told:
        """Wait until a projection has come to a position, at most so many seconds.

        `{"projection", "asked", "reached", "left_out"}` with what `standing` tells, to be said by `sentence`.
        `left_out`: it went on behind the event there, which was left out. Raises `NotFound`, `Conflict`
        where it has no tables yet, and `Refused` for what is no position of its kind.
        """
        asked = position if isinstance(position, Position) else Position.read(str(position))
        has_reached = self._look_for(name, asked)
        reached = look_until(bool, has_reached, self.platform.clock, seconds, LOOKS)
        left_out = reached and self._left_out(name, asked)
        return {
            "projection": name,
            "asked": str(asked),
            "reached": reached,
            "left_out": left_out,
            **self.standing(name),
        }

    def standing(self, name: str) -> Told:
        """`{"state", "older_code", "position", "head", "behind": {"events", "seconds"}}`.

        `older_code`: it waits for newer code, and goes on by itself then. `position` is None where one
        number can't tell, and what it is `behind` where nobody knows.
        """
        if name in CONSOLE or name == ARCHIVE:
            found = {row["name"]: row for row in self.platform.subscriptions.projections()}
            if ARCHIVE not in found:
                return {
                    "state": "unknown",
                    "older_code": False,
                    "position": None,
                    "head": None,
                    "behind": _behind(None, None),
                }
            row = found[ARCHIVE]
            waits = None if row["backlog"] is None else row["backlog"] + row["open"]
            behind = _behind(waits, row["oldest"] or (0.0 if waits == 0 else None))
            return {
                "state": row["state"],
                "older_code": False,
                "position": None,
                "head": None,
                "behind": behind,
            }
        row, beside = self._builds(name)
        head = self.platform.event_store.head()
        behind = self.lag(row, head)
        return {
            "state": state_of(row, beside),
            "older_code": is_by_older_code(row),
            "position": row.position,
            "head": head,
            "behind": behind,
        }

    def lag(self, row: FollowerRow, head: int) -> Told:
        """The events that a follower has yet to read, and the age of the oldest of them."""
        if row.position >= head:
            return _behind(0, 0.0)
        since = self.platform.event_store.recorded_after(row.position)
        seconds = 0.0 if since is None else max(0.0, self.platform.clock.now() - since)
        return _behind(head - row.position, seconds)

    # -- a look

    def _look_for(self, name: str, asked: Position) -> Any:
        """A function that says whether it is there now."""
        if name in CONSOLE or name == ARCHIVE:
            return lambda: self._console(asked)
        self._live(name)
        if asked.stored is None:
            raise Refused(
                f"{name} follows the event store, and {asked} is a place in a topic: hand in the "
                "X-Position of a command or of an append, which begins with a number."
            )
        return lambda: self._live(name).position >= asked.stored

    def _left_out(self, name: str, asked: Position) -> bool:
        if name in CONSOLE or name == ARCHIVE:
            return False
        return any(one["position"] == asked.stored for one in self._live(name).skipped or ())

    def _live(self, name: str) -> FollowerRow:
        return self._builds(name)[0]

    def _builds(self, name: str) -> tuple[FollowerRow, FollowerRow | None]:
        """The live one, and what is built beside it."""
        with self.platform.database.read() as session:
            rows = followers.builds(session, name)
        beside = next((row for row in rows if row.state == BUILDING), None)
        return live_of(rows, name), beside

    def _console(self, asked: Position) -> bool:
        if asked.stored is not None and not self._relayed(asked.stored):
            return False
        return all(self._archived(place, at) for place, at in asked.places.items())

    def _archived(self, place: str, at: str) -> bool:
        topic, _, partition = place.rpartition(":")
        stream = keys.topic_stream(topic, int(partition))
        if not has_settled(self.platform.redis, ARCHIVE, stream, at):
            return False
        if self.platform.archive.holds(topic, int(partition), at):
            return True
        # Its batch failed and is tried again; or it came a second time, and the first is kept.
        kept = self.platform.redis.xrange(stream, at, at)
        if not kept:
            return True  # long ago: the topic holds it no more
        event = Event.from_bytes(kept[0][1][b"e"])
        return self.platform.archive.get(event.id, event.source) is not None

    def _relayed(self, stored: int) -> bool:
        """Whether the relay has passed it on, and the archive has what it brought to its topic."""
        with self.platform.database.read() as session:
            row = session.get(ownership.OwnerRow, RELAY)
        if row is None or row.position < stored:
            return False
        found = self.platform.event_store.read_all(stored - 1, 1, typed=False)
        if not found or found[0].position != stored or PRIVATE in found[0].event.extensions:
            return True
        event = found[0].event
        kept = self.platform.archive.get(event.id, event.source)
        return kept is not None and has_settled(
            self.platform.redis, ARCHIVE,
            keys.topic_stream(kept["topic"], kept["partition"]), kept["position"],
        )  # fmt: skip


def live_of(rows: Sequence[FollowerRow], name: str) -> FollowerRow:
    """The live one of its builds. Raises `Conflict` where it has none yet, and `NotFound`."""
    for row in rows:
        if row.state == LIVE:
            return row
    if rows:
        raise Conflict(
            f"{name} has no tables of its own yet: it is built beside those of another projection, and takes "
            f"their place when that one is removed. `projections cancel {name}` has it built from the beginning."
        )
    raise absent(name)


def absent(name: str) -> NotFound:
    return NotFound(
        f"There is no projection {name!r}: `python -m app projections list` shows them. A new one is there "
        "when a worker of the lane system has begun with it."
    )


def state_of(live: FollowerRow, beside: FollowerRow | None) -> str:
    """running, paused, stopped, or superseded: of code that gave way to that of a higher version.

    What is superseded stands still until the build beside it takes its place: the code that made
    its rows is there no more.
    """
    if live.paused or live.problem:
        return "paused" if live.paused else "stopped"
    if beside is None or beside.version <= live.version:
        return "running"
    is_rolled_back = is_by_older_code(beside) and needs(beside) is None
    return "running" if is_rolled_back else "superseded"


def is_beyond(told: Told) -> bool:
    """Whether what was asked for is a position that the event store hasn't come to."""
    asked, head = told["asked"], told["head"]
    return head is not None and asked.isdigit() and int(asked) > head


def sentence(told: Told) -> str:
    """What `wait_for` told, for people: where it is, and why it isn't there."""
    asked, name = told["asked"], told["projection"]
    if told["left_out"]:
        return f"{name} has come to {asked}, and left out the event there: its page says why."
    if told["reached"]:
        return f"{name} has come to {asked}."
    if is_beyond(told):
        return f"{name} can't come to {asked}: the event store ends at {told['head']}, so no write was there yet."
    if told["state"] == "superseded":
        return (
            f"{name} stands still until its new version, which is built beside it, takes its place, and has not "
            f"come to {asked} yet{distance(told['behind'])}."
        )
    if told["older_code"] and told["state"] == "stopped":
        return f"{name} waits for newer code and has not come to {asked} yet{distance(told['behind'])}."
    return f"{name} is {told['state']} and has not come to {asked} yet{distance(told['behind'])}."


def distance(behind: Told) -> str:
    """How far behind, to stand behind a sentence; empty where nobody knows."""
    parts, events = [], behind["events"]
    if events is not None:
        parts.append(f"{events:,} event{'' if events == 1 else 's'}")
    if behind["seconds"]:
        parts.append(f"{behind['seconds']:.1f} s")
    return f": it is {' and '.join(parts)} behind" if parts else ""


def _behind(events: int | None, seconds: float | None) -> Told:
    return {"events": events, "seconds": None if seconds is None else round(seconds, 3)}
