"""Fakes of what is shown: runs, dead letters, rollups."""

from __future__ import annotations

import copy
from collections import Counter
from typing import TYPE_CHECKING, Any

from app.errors import NotFound, Refused
from app.store.charted import RANGES
from app.store.data_match import DataMatch
from app.store.moments import seconds
from app.store.run_as_of import as_of
from app.store.run_comparison import compare
from tests.web.fake_paging import Page, between, page
from tests.web.fake_time import Json, at

if TYPE_CHECKING:
    from tests.web.fakes import FakePlatform


class FakeRuns:
    def __init__(self, platform: FakePlatform):
        self._platform = platform

    def find(
        self,
        state: str | None = None,
        type: str | None = None,
        q: str | None = None,
        since: Any = None,
        until: Any = None,
        limit: int = 50,
        cursor: str | None = None,
        key: str | None = None,
        data: str | None = None,
    ) -> Page:
        if data:
            DataMatch.parse(data)
        return page(
            (
                {k: v for k, v in run.items() if k != "steps"}
                for run in self._platform.data["runs"]
                if (state is None or (run["stuck"] if state == "stuck" else run["state"] == state))
                and (type is None or run["type"] == type)
                and (q is None or q in str(run))
                and between(run["started"], since, until)
            ),
            limit,
            cursor,
        )

    def get(self, correlationid: str, at: Any = None) -> Json | None:
        for run in self._platform.data["runs"]:
            if run["correlationid"] == correlationid:
                found: Json = copy.deepcopy(run)
                return found if at is None else as_of(found, seconds(at) or 0.0)
        return None

    def beginning(self, correlationid: str, limit: int) -> list[Json]:
        runs = self.find(limit=1000).items
        return [run for run in runs if run["correlationid"].startswith(correlationid)][:limit]

    def stuck(self) -> list[Json]:
        return self.find(state="stuck").items

    def compare(self, correlationid: str, other: str | None = None) -> Json:
        run = self.get(correlationid)
        if run is None:
            raise NotFound(f"There is no run {correlationid!r}.")
        good = next(r for r in self._platform.data["runs"] if r["state"] == "succeeded")
        theirs = self.get(other or good["correlationid"])
        if theirs is None:
            raise NotFound(f"There is no run {other!r}.")
        return {"run": run, "other": theirs, "steps": compare(run, theirs)}

    def export(self, correlationid: str) -> Json | None:
        run = self.get(correlationid)
        events = self._platform.archive.find(correlationid=correlationid, limit=1000).items
        return run and {"run": run, "events": events}


class FakeDeadLetters:
    def __init__(self, platform: FakePlatform):
        self._platform = platform

    def find(
        self,
        subscription: str | None = None,
        type: str | None = None,
        group: str | None = None,
        since: Any = None,
        until: Any = None,
        q: str | None = None,
        state: str | None = "parked",
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        return page(
            (
                x
                for x in self._platform.data["letters"]
                if (subscription is None or x["subscription"] == subscription)
                and (type is None or x["event"]["type"] == type)
                and (group is None or x["group"] == group)
                and (state is None or x["state"] == state)
                and between(x["parked"], since, until)
                and (q is None or q in str(x))
            ),
            limit,
            cursor,
        )

    def get(self, id: str) -> Json | None:
        rows = self._platform.data["letters"]
        return copy.deepcopy(next((x for x in rows if x["id"] == id), None))

    def beginning(self, id: str, limit: int) -> list[Json]:
        found = [x for x in self._platform.data["letters"] if x["id"].startswith(id)][:limit]
        return [copy.deepcopy(x) | {"type": x["event"]["type"]} for x in found]

    def of_event(self, event_id: str) -> list[Json]:
        return [x for x in self.find(state=None, limit=1000).items if x["event"]["id"] == event_id]

    def of_run(self, correlationid: str) -> list[Json]:
        return self.find(q=correlationid, state=None, limit=200).items

    def prepare(self, id: str, patch: Any) -> None:
        for row in self._platform.data["letters"]:
            if row["id"] == id:
                row["edit"] = patch and {"patch": patch, "by": "user:operator", "at": at(0)}

    def groups(
        self,
        subscription: str | None = None,
        type: str | None = None,
        since: Any = None,
        until: Any = None,
        q: str | None = None,
        state: str | None = "parked",
        life: str | None = None,
        bars: bool = True,
    ) -> list[Json]:
        open = Counter(
            x["group"]
            for x in self.find(subscription, type, None, since, until, q, state, limit=10_000).items
        )
        return [
            LIFE | copy.deepcopy(g) | {"count": open[g["id"]]}
            for g in self._platform.data["groups"]
            if open[g["id"]] and life in (None, g.get("state", "open"))
        ]


LIFE: Json = {
    "state": "open", "by": None, "at": None, "note": "", "until": None, "above": None,
    "reopened": 0, "seen": 9, "replaying": 0, "code": {"first": None, "last": None}, "model": None,
}  # fmt: skip


class FakeFailures:
    """What operators do with groups of failures."""

    def __init__(self, platform: FakePlatform):
        self._platform = platform

    def groups(self, **filters: Any) -> list[Json]:
        return self._platform.dead_letters.groups(**filters)

    def with_bars(self, groups: list[Json]) -> list[Json]:
        return groups

    def waiting(self) -> int:
        return sum(group["state"] == "open" for group in self.groups())

    def group(self, id: str) -> Json:
        for row in self._platform.data["groups"]:
            if row["id"] == id:
                return LIFE | {"count": 0} | copy.deepcopy(row)
        raise NotFound(f"There is no group {id!r}.")

    def beginning(self, id: str, limit: int) -> list[Json]:
        found = [x for x in self._platform.data["groups"] if x["id"].startswith(id)][:limit]
        return [self.group(x["id"]) for x in found]

    def _change(self, id: str, actor: str, **to: Any) -> Json:
        self.group(id)
        for row in self._platform.data["groups"]:
            if row["id"] == id:
                row |= {"by": actor, "at": at(0), **to}
        self._platform.audit.record(actor, f"failure-group.{to['state']}", f"group:{id}")
        return self.group(id)

    def acknowledge(self, id: str, actor: str, note: str = "") -> Json:
        return self._change(id, actor, state="acknowledged", note=note)

    def ignore(
        self, id: str, actor: str, note: str = "", until: Any = None, above: int | None = None
    ) -> Json:
        if until is None and above is None:
            raise Refused("Say how long: `until` a time, or `above` so many times a minute.")
        return self._change(
            id, actor, state="ignored", note=note, until=until and until.isoformat(), above=above
        )

    def reopen(self, id: str, actor: str, note: str = "") -> Json:
        return self._change(id, actor, state="open", note=note, until=None, above=None)

    def prepare_edit(self, id: str, patch: Any, actor: str) -> Json:
        self._letter(id)
        self._platform.dead_letters.prepare(id, patch)
        self._platform.audit.record(actor, "dead-letter.edit-prepared", f"dead-letter:{id}")
        return self._letter(id)

    def drop_edit(self, id: str, actor: str) -> Json:
        self._letter(id)
        self._platform.dead_letters.prepare(id, None)
        return self._letter(id)

    def last_success(self, letter: Json) -> Json | None:
        event = copy.deepcopy(letter["event"])
        event["id"] = "handled-before"
        return {"event": event, "at": at(500), "correlationid": event["id"]}

    def _letter(self, id: str) -> Json:
        found = self._platform.dead_letters.get(id)
        if found is None:
            raise NotFound(f"There is no dead letter {id!r}.")
        return found


class FakeRollups:
    def series(self, since: Any, step: float, subscription: str | None = None) -> list[Json]:
        return [
            {
                "at": at(3600 - i * step),
                "in": 40 + (i * 13) % 29,
                "done": 38 + (i * 13) % 27,
                "failed": (i * 5) % 7 if i > 40 else 0,
                "retried": i % 4,
                "parked": i % 3 // 2,
                "waited": 0.05 + (i % 9) / 20,
                "worked": 0.02 + (i % 5) / 50,
            }
            for i in range(int(3600 // step))
        ]

    def each(self, names: list[str], since: Any, step: float) -> dict[str, list[Json]]:
        rows = [{k: v for k, v in row.items() if k != "in"} for row in self.series(since, step)]
        return {name: rows for name in names}


class FakeCharted:
    def last_settles(self) -> dict[str, str]:
        return {"pc-4711-ab12": at(60)}

    def over(self, range: str, **whose: str | None) -> Json:
        if range not in RANGES:
            raise Refused(f"range is {range!r}")
        if sum(1 for one in whose.values() if one) > 1:
            raise Refused("Name one subscription, topic or worker.")
        times = {"p50": 0.05, "p95": 0.4, "p99": None}
        more = {"waited": times, "worked": times, "lag": {"events": 3, "seconds": 1.5}}
        rows = FakeRollups().series(0, 60)
        return {"step": 60, "rows": [row | more for row in rows]}
