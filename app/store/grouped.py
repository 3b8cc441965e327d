"""Groups of failures as people see them, and the decisions that people take on a group.

Without filters beyond the subscription and a text, the groups come from their counters. With
others (type, time) the dead letters themselves are counted, by their indexes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Integer, cast, func
from sqlmodel import Session, col, select

from app.clock import Clock, SystemClock
from app.errors import NotFound, Refused
from app.store import failure_groups
from app.store.beginnings import beginning
from app.store.bulk import Bulk
from app.store.columns import clean, key
from app.store.database import Database
from app.store.dead_letters import wanted_by
from app.store.deliveries import DeadLetter, LastSuccess
from app.store.failure_groups import HOUR, LIVES, MINUTE, FailureCount, FailureGroup
from app.store.like import any_has
from app.store.moments import iso, seconds

BARS = 24
KEPT_BARS = 5000
DAY = 86_400.0
MINUTES_KEPT = 2 * DAY
"""How long counts by the minute are kept; those by the hour stay longer."""
SAID = (
    FailureGroup.title, FailureGroup.error, FailureGroup.frame, FailureGroup.subscription,
    FailureGroup.type,
)  # fmt: skip
Row = dict[str, Any]


class Grouped:
    """The groups of dead letters."""

    def __init__(self, database: Database, clock: Clock | None = None):
        self._database = database
        self._clock = clock or SystemClock()
        self._drawn: dict[tuple[Any, ...], list[int]] = {}

    def find(
        self,
        subscription: str | None = None,
        type: str | None = None,
        since: Any = None,
        until: Any = None,
        q: str | None = None,
        state: str | None = "parked",
        life: str | None = None,
        bars: bool = True,
    ) -> list[Row]:
        """Failures of the same cause, the largest first.

        `count` is how many letters match, `bars` how often the group happened over the time
        of all of these groups (`with_bars` adds them to some of many). `q` is a part of what the
        group says of itself: its errors, line, subscription or type. `life` asks for groups in
        that state only; those that are resolved have nothing parked, and are found with
        `life="resolved"`.
        """
        if life is not None and life not in LIVES:
            raise Refused(f"a group is one of {', '.join(LIVES)}, not {life!r}")
        resolved = life == "resolved"
        with self._database.read() as session:
            if resolved or (state == "parked" and not (type or since or until)):
                counted = None
                query = select(FailureGroup).where(
                    FailureGroup.state == "resolved" if resolved else col(FailureGroup.parked) > 0
                )
                if subscription:
                    query = query.where(FailureGroup.subscription == key(subscription))
            else:
                wanted = wanted_by(subscription, type, None, since, until, None, state)
                counted = self._scanned(session, wanted)
                query = select(FailureGroup).where(col(FailureGroup.id).in_(counted))
            if q:
                query = query.where(any_has(q, *SAID))
            rows = [row.model_dump() for row in session.exec(query)]
            now = self._clock.now()
            rows = [row for row in rows if life in (None, failure_groups.life(row, now))]
            if not rows:
                return []
            drawn: dict[str, list[int]] = {}
            if bars and counted is None:
                drawn = self._bars(session, rows, now)
            elif bars:
                drawn = self._bars_of(session, wanted, counted or {})
        shown = [failure_groups.show(row, now) for row in rows]
        for group in shown:
            if counted is not None:
                group["count"] = counted[group["id"]][0]
            if bars:
                group["bars"] = drawn.get(group["id"], [0] * BARS)
        return sorted(shown, key=lambda each: (-each["count"], each["id"]))

    def with_bars(self, groups: Sequence[Row]) -> list[Row]:
        """Groups that were found without bars, with them."""
        if not groups:
            return []
        times = [
            {
                "id": each["id"],
                "first": seconds(each["first"]),
                "last": seconds(each["last"]),
                "seen": each["seen"],
            }
            for each in groups
        ]
        with self._database.read() as session:
            bars = self._bars(session, times, self._clock.now())
        return [{**each, "bars": bars[each["id"]]} for each in groups]

    def waiting(self) -> int:
        """How many groups have something parked and nobody at it: what asks for a person."""
        query = select(FailureGroup.state, FailureGroup.ignored_until).where(
            col(FailureGroup.parked) > 0, col(FailureGroup.state).in_(("open", "ignored"))
        )
        now = self._clock.now()
        with self._database.read() as session:
            return sum(
                state == "open" or (until is not None and until <= now)
                for state, until in session.exec(query)
            )

    def get(self, id: str) -> Row | None:
        """One group, whatever its state, or None."""
        with self._database.read() as session:
            row = session.get(FailureGroup, key(id))
            if row is None:
                return None
            now = self._clock.now()
            return failure_groups.show(row.model_dump(), now) | {
                "bars": self._bars(session, [row.model_dump()], now)[row.id]
            }

    def beginning(self, id: str, limit: int) -> list[Row]:
        """The groups whose id begins so, whatever their state."""
        now = self._clock.now()
        with self._database.read() as session:
            found = beginning(session, select(FailureGroup), FailureGroup.id, id, limit)
            return [failure_groups.show(row.model_dump(), now) for row in found]

    def acknowledge(self, id: str, actor: str, note: str = "") -> tuple[Row, Row]:
        """Somebody is at it. The group before and after, here as below. Raises `NotFound`."""
        return self._change(id, actor, note, state="acknowledged")

    def ignore(
        self, id: str, actor: str, note: str = "", until: Any = None, above: int | None = None
    ) -> tuple[Row, Row]:
        """Don't ask anybody, until a time, or until it happens more than `above` times a minute."""
        ends = seconds(until)
        if ends is None and above is None:
            raise Refused(
                "Say how long: `until` a time, or `above` so many times a minute (or both)."
            )
        if ends is not None and ends <= self._clock.now():
            raise Refused("`until` lies in the past: name a time that is still to come.")
        if above is not None and above < 1:
            raise Refused("`above` is how many times a minute, 1 or more")
        return self._change(
            id, actor, note, state="ignored", ignored_until=ends, ignored_above=above
        )

    def reopen(self, id: str, actor: str, note: str = "") -> tuple[Row, Row]:
        """It asks for a person again."""
        return self._change(id, actor, note, state="open")

    def last_success(self, subscription: str, type: str) -> Row | None:
        """The newest event of the type that the subscription handled: its id, source and run."""
        with self._database.read() as session:
            row = session.get(LastSuccess, (key(subscription), key(type)))
            return {**row.model_dump(), "at": iso(row.at)} if row else None

    def _change(self, id: str, actor: str, note: str, **to: Any) -> tuple[Row, Row]:
        now = self._clock.now()
        with self._database.session() as session:
            Bulk(session).lock(failure_groups.LOCK)
            row = session.get(FailureGroup, key(id))
            if row is None:
                raise NotFound(
                    f"There is no group {id!r}: `python -m app dead-letters groups` lists them."
                )
            before = failure_groups.show(row.model_dump(), now)
            row.state_by, row.state_at, row.note = actor, now, clean(note)
            row.ignored_until = row.ignored_above = None
            for name, value in to.items():
                setattr(row, name, value)
            session.add(row)
            return before, failure_groups.show(row.model_dump(), now)

    def _scanned(
        self, session: Session, wanted: Iterable[ColumnElement[bool]]
    ) -> dict[str, tuple[int, float, float]]:
        parked = DeadLetter.parked
        query = select(DeadLetter.group_id, func.count(), func.min(parked), func.max(parked))
        rows = session.exec(query.where(*wanted).group_by(DeadLetter.group_id))
        return {group: (count, first, last) for group, count, first, last in rows}

    def _bars_of(
        self,
        session: Session,
        wanted: Iterable[ColumnElement[bool]],
        counted: dict[str, tuple[int, float, float]],
    ) -> dict[str, list[int]]:
        """Bars of the dead letters that match."""
        if not counted:
            return {}
        first = min(one[1] for one in counted.values())
        last = max(one[2] for one in counted.values())
        place = (col(DeadLetter.parked) - first) / (max(last - first, 1e-6) / BARS)
        bar = cast(self._cut()(place), Integer)
        query = select(DeadLetter.group_id, bar, func.count()).where(*wanted)
        return _barred(session.exec(query.group_by(DeadLetter.group_id, bar)))

    def _bars(self, session: Session, rows: list[Row], now: float) -> dict[str, list[int]]:
        """Bars of the counts: by the minute where they are kept, else by the hour.

        Those of a group stay as they are until it happens again: they are kept that long.
        """
        first, last = min(row["first"] for row in rows), max(row["last"] for row in rows)
        fine = last - first <= DAY and now - first < MINUTES_KEPT
        span = MINUTE if fine else HOUR
        end = int(last // span) + 1
        begin = min(int(first // span), end - BARS)
        at = col(FailureCount.at)
        bar = cast(self._cut()((at - begin) * float(BARS) / (end - begin)), Integer)
        keys = {row["id"]: (row["id"], row["seen"], span, begin, end) for row in rows}
        known = {id: drawn for id, key in keys.items() if (drawn := self._drawn.get(key))}
        wanted = [id for id in keys if id not in known]
        if wanted:
            query = select(FailureCount.group_id, bar, func.sum(FailureCount.count)).where(
                FailureCount.span == span, at >= begin, at < end
            )
            if len(wanted) <= 500:
                query = query.where(col(FailureCount.group_id).in_(wanted))
            found = _barred(session.exec(query.group_by(FailureCount.group_id, bar)))
            known |= {id: found[id] for id in wanted}
            if len(self._drawn) > KEPT_BARS:
                self._drawn.clear()
            self._drawn |= {keys[id]: found[id] for id in wanted}
        return known

    def _cut(self) -> Callable[[Any], Any]:
        # A cast cuts on SQLite and rounds on PostgreSQL; SQLite need not have floor().
        return (lambda value: value) if self._database.on_sqlite else func.floor


def _barred(rows: Iterable[Any]) -> dict[str, list[int]]:
    bars: dict[str, list[int]] = defaultdict(lambda: [0] * BARS)
    for group, number, counted in rows:
        bars[group][max(0, min(int(number), BARS - 1))] += int(counted)
    return bars
