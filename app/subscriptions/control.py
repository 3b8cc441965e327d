"""An operator's hand on subscriptions: look, pause, resume, change, rewind.

SQL is the record; Redis gets a mirror that every lease sees within its next
read. Each change is written to the audit log with what was before and after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import msgspec

from app.errors import Refused, Unavailable
from app.events.filters import compile_filter
from app.streams import control
from app.streams.backlog import Backlog, backlogs
from app.streams.client import LOST
from app.subscriptions import deletion
from app.subscriptions.declaration import EVERYTHING, LANES
from app.subscriptions.priority import PRIORITIES
from app.subscriptions.retry import RetryPolicy
from app.subscriptions.rewind import rewind
from app.subscriptions.streams import row_streams

LATE = 30.0
"""Seconds that the oldest unread event may wait before its subscription is late."""
RECENT = 300.0
FAILING = 0.1
"""The share of failed attempts in the last five minutes from which a subscription is failing."""
CHANGEABLE = ("retry", "filter", "timeout", "concurrency", "rate", "lane", "priority")

CHOICES = {"lane": LANES[:-1], "priority": PRIORITIES}
"""Fields with a fixed set of values; nothing moves into the system lane."""

Rows = list[dict[str, Any]]


class Subscriptions:
    """The operators' functions, by a subscription's name."""

    def __init__(self, platform: Any):
        self.platform = platform

    # -- looking

    def list(self) -> Rows:
        """Every subscription but those of the system lane, with how it is doing, worst first."""
        shown = self._describe(self.names())
        order = {"failing": 0, "late": 1, "paused": 2, "healthy": 3}
        return sorted(shown, key=lambda one: (not one["active"], order[one["state"]], one["name"]))

    def get(self, name: str) -> dict[str, Any]:
        """One subscription. Raises `NotFound`."""
        return self._describe([self.platform.subscription_store.get(name)])[0]

    def names(self) -> Rows:
        """Every subscription but those of the system lane, as SQL has it: without how it is doing."""
        return [row for row in self.platform.subscription_store.all() if row["lane"] != "system"]

    def projections(self) -> Rows:
        """Our own subscriptions, which keep the archive and the console's rows, and how far behind they are."""
        rows = [row for row in self.platform.subscription_store.all() if row["lane"] == "system"]
        return self._describe(rows)

    def archive_lag(self) -> float:
        """Seconds since the oldest event came that is not in the archive yet; 0 where none waits."""
        found = self._backlogs([{"name": "penstock.archive", "types": [EVERYTHING], "topics": []}])
        return self._age(found["penstock.archive"]) or 0.0

    def behind(self) -> Rows:
        """Each active subscription's `lane`, `backlog` (None: unknown) and `oldest`, in seconds."""
        rows = self.platform.subscription_store.all(active_only=True)
        found = self._backlogs(rows)
        return [
            {
                "name": row["name"],
                "lane": row["lane"],
                "backlog": found[row["name"]].unread,
                "oldest": self._age(found[row["name"]]),
            }
            for row in rows
        ]

    def _describe(self, rows: Rows) -> Rows:
        found = self._backlogs(rows)
        parked = self.platform.dead_letters.parked()
        retrying = self.platform.runs.retrying()
        recent = self.platform.rollups.recent(RECENT)
        served = self.platform.workers.lanes()
        shown = []
        for row in rows:
            name = row["name"]
            backlog = found[name]
            oldest = self._age(backlog)
            done, failed = recent.get(name, (0, 0))
            if row["paused"]:
                state = "paused"
            elif failed and failed / (done + failed) >= FAILING:
                state = "failing"
            else:
                state = "late" if oldest is not None and oldest > LATE else "healthy"
            shown.append(
                {
                    **row,
                    "state": state,
                    "backlog": backlog.unread,
                    "open": backlog.open,
                    "served": row["lane"] in served,
                    "oldest": oldest,
                    "retrying": retrying.get(name, 0),
                    "parked": parked.get(name, 0),
                    "recent": {"seconds": RECENT, "done": done, "failed": failed},
                }
            )
        return shown

    def _backlogs(self, rows: Rows) -> dict[str, Backlog]:
        topics = self.platform.stream_topics.all()
        return backlogs(
            self.platform.redis, {row["name"]: row_streams(row, topics) for row in rows}
        )

    def _age(self, backlog: Backlog) -> float | None:
        if backlog.oldest is None:
            return None
        return max(0.0, self.platform.clock.now() - backlog.oldest / 1000)

    # -- changing

    def pause(self, name: str, actor: str, reason: str = "") -> None:
        """Shut the gate: what is open is finished, the rest waits. Raises `Conflict` where it is shut."""
        with self._changing(actor, "paused", name) as change:
            change.before = self.platform.subscription_store.get(name)["paused"]
            after = self.platform.subscription_store.pause(name, actor, reason)
            change.after = after["paused"]
        self._enforce(name, after)

    def resume(self, name: str, actor: str) -> None:
        """Open the gate, with the backlog. Raises `Conflict` where it is open."""
        with self._changing(actor, "resumed", name) as change:
            change.before = self.platform.subscription_store.get(name)["paused"]
            after = self.platform.subscription_store.resume(name, actor)
        self._enforce(name, after)

    def update(self, name: str, changes: Mapping[str, Any], actor: str) -> None:
        """Change one or more of CHANGEABLE; a deploy keeps the change.

        Raises `Refused` where a value can't work. A lane that no worker serves may be chosen, since
        one may be about to start: `served` of `get` tells.
        """
        with self._changing(actor, "changed", name) as change:
            before = self.platform.subscription_store.get(name)
            after = self.platform.subscription_store.update(name, _checked(changes, before), actor)
            change.before = {field: before.get(field) for field in changes}
            change.after = {field: after.get(field) for field in changes}
        self._enforce(name, after)
        if "filter" in changes:
            self.platform.projection.refilter(name)

    def mirror(self) -> None:
        """Bring Redis's mirror in step with SQL: after Redis was lost, or a change that did not reach it."""
        _, known = control.decisions(self.platform.redis)
        for row in self.platform.subscription_store.all():
            was = known.get(row["name"], control.Decision())
            if self._decision(row, was) != was:
                self._enforce(row["name"], row)

    @contextmanager
    def _changing(self, actor: str, what: str, name: str) -> Iterator[Any]:
        target = f"subscription:{name}"
        with self.platform.audit.changing(actor, f"subscription.{what}", target) as change:
            yield change

    def _enforce(self, name: str, row: Mapping[str, Any]) -> None:
        """Put in force what was committed. Raises `Unavailable` where Redis is away: `mirror` does so later."""
        try:
            was = control.decision(self.platform.redis, name)
            control.decide(self.platform.redis, name, self._decision(row, was))
            self.platform.changes.announce("subscriptions")
        except LOST as error:
            raise Unavailable(
                f"That is decided for {name} and written down, but the Redis server is away ({error}): "
                "it holds as soon as the server is back. It need not be done again."
            ) from error

    @staticmethod
    def _decision(row: Mapping[str, Any], was: control.Decision) -> control.Decision:
        changed = row["changed"]
        return msgspec.structs.replace(
            was,
            paused=row["paused"] is not None,
            **{field: changed[field]["now"] if field in changed else None for field in CHANGEABLE},
        )

    def rewind(self, name: str, to: str, actor: str) -> None:
        """Go back (or on) to `earliest`, `now`, a time, a position or an event's id; see `rewind.py`.

        Raises `NotFound`, `Refused`.
        """
        row = self.platform.subscription_store.get(name)
        generation = rewind(self.platform, name, row, to)
        after = {"to": to, "generation": generation}
        self.platform.audit.record(
            actor, "subscription.rewound", f"subscription:{name}", after=after
        )
        self.platform.changes.announce("subscriptions")

    def deletion(self, name: str) -> dict[str, Any]:
        """What deleting it would lose; see `deletion.py`. Raises `NotFound`, `Conflict`."""
        return deletion.preview(self.platform, name)

    def delete(self, name: str, actor: str) -> dict[str, Any]:
        """Delete one that no code declares any more, or a webhook; what was lost."""
        return deletion.delete(self.platform, name, actor)

    def skip(self, name: str, actor: str) -> None:
        """Leave out what waits: go on with what comes from now on. It stays in the archive.

        Raises `NotFound`.
        """
        self.rewind(name, "now", actor)


def _checked(changes: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """The changes in their stored form; raises `Refused` where one can't work."""
    checked: dict[str, Any] = {}
    for field, value in changes.items():
        if field not in CHANGEABLE:
            raise Refused(
                f"{field} is decided by the code; {', '.join(CHANGEABLE)} can be changed here."
            )
        if value is None:  # whatever the code says counts again
            value = row["changed"][field]["code"] if field in row["changed"] else row[field]
        elif field == "retry":
            value = _retry(value, row["retry"])
        elif field == "filter":
            compile_filter(value)
        elif field in CHOICES:
            _choose(field, value, row)
        elif isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise Refused(f"{field} is a number above 0, or null for what the code says")
        elif field == "concurrency" and (value != int(value) or value > 1000):
            raise Refused("concurrency is a whole number from 1 to 1000")
        checked[field] = value
    return checked


def _choose(field: str, value: Any, row: Mapping[str, Any]) -> None:
    """Raises `Refused` for what is none of the choices."""
    if value not in CHOICES[field]:
        raise Refused(
            f"{field} is one of {', '.join(CHOICES[field])}, or null for what the code says"
        )
    if field == "lane" and row["lane"] == "system":
        raise Refused(f"{row['name']} is Penstock's own and stays in the system lane")


def _retry(value: Any, before: Mapping[str, Any] | None) -> dict[str, Any]:
    """A whole policy from a part of one."""
    names = set(RetryPolicy.__dataclass_fields__)
    if not isinstance(value, Mapping) or set(value) - names:
        raise Refused(f"retry is a mapping with {', '.join(sorted(names))}")
    try:
        return asdict(RetryPolicy(**{**(before or {}), **value}))
    except TypeError as error:
        raise Refused(f"retry: {error}") from error
