"""Fakes of what flows: topics, the publisher, the archive."""

from __future__ import annotations

import copy
import queue
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from app.errors import InvalidEvents
from app.events.event import Event
from app.events.expressions import Search
from tests.web.fake_paging import Page, between, page
from tests.web.fake_time import NOW, Json, at

if TYPE_CHECKING:
    from tests.web.fakes import FakePlatform


class FakeTopics:
    def __init__(self, platform: FakePlatform):
        self._platform = platform
        self._followers: list[queue.Queue[Any]] = []

    def list(self) -> list[Json]:
        found: dict[str, list[Json]] = {}
        for event in self._platform.data["events"]:
            found.setdefault(event["type"].split(".")[0], []).append(event)
        return [
            {
                "name": name,
                "partitions": 1,
                "events": len(events),
                "bytes": 700 * len(events),
                "first": events[-1]["time"],
                "last": events[0]["time"],
                "types": sorted({e["type"] for e in events}),
                "subscriptions": [
                    s["name"] for s in self._platform.data["subscriptions"] if name in s["topics"]
                ],
            }
            for name, events in sorted(found.items())
        ]

    def names(self) -> Any:
        return [topic["name"] for topic in self.list()]

    def follow(
        self,
        types: Sequence[str] | None = None,
        since: str = "$",
        positions: dict[str, bytes] | None = None,
    ) -> Iterator[Event | None]:
        """One stream, `all`, whose positions are numbers of events."""
        positions = {} if positions is None else positions
        mine: queue.Queue[Any] = queue.Queue()
        self._followers.append(mine)
        try:
            kept = list(reversed(self._platform.data["events"]))
            start = {"$": len(kept), "0": 0}.get(since, int(since) + 1 if since.isdigit() else 0)
            start = int(positions.get("all", b"%d-0" % start).partition(b"-")[0])
            for number, event in enumerate(kept[start:], start + 1):
                positions["all"] = b"%d-0" % number
                if not types or event["type"] in types:
                    yield Event.from_dict(event)
            count = len(kept)
            while True:
                try:
                    event = mine.get(timeout=0.2)
                except queue.Empty:
                    yield None
                    continue
                count += 1
                positions["all"] = b"%d-0" % count
                if not types or event["type"] in types:
                    yield Event.from_dict(event)
        finally:
            self._followers.remove(mine)

    def newest(self, types: Sequence[str] | None = None, limit: int = 500) -> Any:
        kept = [e for e in self._platform.data["events"] if not types or e["type"] in types]
        return [Event.from_dict(e) for e in kept[:limit]], len(self._platform.data["events"])

    def tell(self, event: Json) -> None:
        for follower in list(self._followers):
            follower.put(event)


class FakePublisher:
    def __init__(self, platform: FakePlatform):
        self._platform = platform
        self.published: list[Any] = []

    def publish(
        self, events: Sequence[Any], *, at: float | None = None, durable: bool = False
    ) -> list[bool]:
        as_dicts = [e if isinstance(e, dict) else e.to_dict() for e in events]
        problems = [
            {
                "index": i,
                "id": e["id"],
                "type": e["type"],
                "field": "data.amount",
                "problem": "Input should be a valid number",
            }
            for i, e in enumerate(as_dicts)
            if e["type"] == "order.placed" and "amount" not in (e.get("data") or {})
        ]
        if problems:
            raise InvalidEvents(problems)
        new = []
        for event in as_dicts:
            known = {(e["source"], e["id"]) for e in self._platform.data["events"]}
            new.append((event["source"], event["id"]) not in known)
            if new[-1]:
                self.published.append(event)
                self._platform.data["events"].insert(0, event)
                self._platform.topics.tell(event)
        return new


class FakeArchive:
    def __init__(self, platform: FakePlatform):
        self._platform = platform

    def count(self, filter: Json, most: int | None = None) -> int:
        types = filter.get("types")
        return sum(types is None or e["type"] in types for e in self._platform.data["events"])

    def find(
        self,
        type: str | None = None,
        subject: str | None = None,
        partitionkey: str | None = None,
        correlationid: str | None = None,
        topic: str | None = None,
        since: Any = None,
        until: Any = None,
        q: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
        expression: str | None = None,
        seen: Any = None,
    ) -> Page:
        fits = Search(expression) if expression else None
        wanted = {
            "type": type,
            "subject": subject,
            "partitionkey": partitionkey,
            "correlationid": correlationid,
        }
        return page(
            (
                e
                for e in self._platform.data["events"]
                if all(v is None or e.get(k) == v for k, v in wanted.items())
                and (topic is None or e["type"].split(".")[0] == topic)
                and between(e["time"], since, until)
                and (q is None or q in str(e))
                and (fits is None or fits((seen or (lambda e: e))(Event.from_dict(e))))
            ),
            limit,
            cursor,
        )

    def get(self, id: str) -> Json | None:
        for position, event in enumerate(self._platform.data["events"]):
            if event["id"] == id:
                return {
                    "event": copy.deepcopy(event),
                    "topic": event["type"].split(".")[0],
                    "partition": 0,
                    "position": f"{int(NOW * 1000) - position}-0",
                    "archived": event.get("recordedtime", event["time"]),
                }
        return None

    def beginning(self, id: str, limit: int) -> list[Json]:
        shown = ("id", "type", "subject", "time")
        found = [e for e in self._platform.data["events"] if e["id"].startswith(id)]
        return [{name: e.get(name) for name in shown} for e in found[:limit]]

    def counts(self, since: Any, step: float) -> list[tuple[str, int]]:
        start = NOW - 3600
        return [(at(NOW - start - i * step), (i * 7) % 23) for i in range(int(3600 // step))]
