"""Fakes of what is shown: runs, dead letters, rollups."""

from __future__ import annotations

import copy
from collections import Counter
from typing import TYPE_CHECKING, Any

from app.errors import NotFound
from app.store.data_match import DataMatch
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

    def get(self, correlationid: str) -> Json | None:
        for run in self._platform.data["runs"]:
            if run["correlationid"] == correlationid:
                return copy.deepcopy(run)
        return None

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

    def of_run(self, correlationid: str) -> list[Json]:
        return self.find(q=correlationid, state=None, limit=200).items

    def groups(
        self,
        subscription: str | None = None,
        type: str | None = None,
        since: Any = None,
        until: Any = None,
        q: str | None = None,
        state: str | None = "parked",
    ) -> list[Json]:
        open = Counter(
            x["group"]
            for x in self.find(subscription, type, None, since, until, q, state, limit=10_000).items
        )
        return [
            copy.deepcopy(g) | {"count": open[g["id"]]}
            for g in self._platform.data["groups"]
            if open[g["id"]]
        ]


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
