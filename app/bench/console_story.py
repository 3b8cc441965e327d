"""A month of a busy installation, as rows of its tables: what `bench console` asks for.

Made up from a fixed seed, so that two runs ask the same. Two thirds of the types are `packed`;
few groups have most of the dead letters. Pure. Beside it: `console_figures`, and what
people did (`console_people`).
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from app.store import coarse
from app.store.position import sortable

DAY = 86_400.0
MONTH = 30 * DAY
GROUPS = 200
RUN_STEPS = 7
PACKED = tuple(
    f"{noun}.{verb}"
    for noun in ("order", "payment", "click", "sensor")
    for verb in ("made", "seen")
)
STEPS = tuple(f"shipment.step{number}" for number in range(RUN_STEPS))
SUBSCRIPTIONS = tuple(
    [f"shop.handle_{type.replace('.', '_')}" for type in PACKED]
    + [f"shop.ship_{number}" for number in range(RUN_STEPS)]
)
WORKERS = tuple(f"host-{number}-ab12" for number in range(5))
TRACEBACK = "\n".join(
    f'  File "/srv/shop/handlers.py", line {line}, in step_{line}\n    call_{line}(event)'
    for line in range(10, 28)
)


@dataclass(frozen=True)
class Sizes:
    events: int = 1_000_000
    letters: int = 100_000
    runs: int = 10_000
    days: int = 90
    """Of figures, which are kept for longer than events."""


class Story:
    """What happened, row by row; the same for the same sizes and moment."""

    def __init__(self, sizes: Sizes, now: float):
        self.sizes = sizes
        self.now = now
        self.step = MONTH / sizes.events
        self.apart = max(RUN_STEPS, sizes.events // max(1, sizes.runs))
        self.every = max(1, sizes.events // max(1, sizes.letters))

    # -- what an event is, by its number from the oldest

    def at(self, n: int) -> float:
        return self.now - MONTH + n * self.step

    def run_of(self, n: int) -> tuple[int, int] | None:
        """Its run and its place in it."""
        run, place = divmod(n, self.apart)
        return (run, place) if place < RUN_STEPS and run < self.sizes.runs else None

    def type_of(self, n: int) -> str:
        place = self.run_of(n)
        return STEPS[place[1]] if place else PACKED[n * 7919 % len(PACKED)]

    @staticmethod
    def id_of(n: int) -> str:
        return f"01990000-0000-7000-8000-{n:012x}"

    def root_of(self, n: int) -> int:
        place = self.run_of(n)
        return n - place[1] if place else n

    def data_of(self, n: int) -> dict[str, Any]:
        return {
            "n": n, "customer": {"id": n % 50_000, "name": f"Customer {n % 50_000}"},
            "city": ("Ghent", "Liège", "Bruges")[n % 3], "amount": n % 1000 / 10,
            "lines": [{"sku": f"SKU-{(n * 31 + k) % 10_000}", "count": k + 1} for k in range(3)],
        }  # fmt: skip

    def cloud_event(self, n: int) -> dict[str, Any]:
        place = self.run_of(n)
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self.at(n))) + "Z"
        return {
            "specversion": "1.0", "id": self.id_of(n), "source": "shop", "type": self.type_of(n),
            "subject": f"order/{n % 200_000}", "time": at, "datacontenttype": "application/json",
            "partitionkey": f"customer-{n % 50_000}", "correlationid": self.id_of(self.root_of(n)),
            **({"causationid": self.id_of(n - 1)} if place and place[1] else {}),
        }  # fmt: skip

    # -- the archive

    def events(self) -> Iterator[tuple[Any, ...]]:
        for n in range(self.sizes.events):
            event, at = self.cloud_event(n), self.at(n)
            yield (
                n + 1, event["id"], "shop", event["type"], event["subject"], event["partitionkey"],
                event["correlationid"], event["type"].split(".")[0], 0,
                sortable(f"{int(at * 1000)}-0"), at, at + 1, json.dumps(event),
                json.dumps(self.data_of(n)),
            )  # fmt: skip

    def arrivals(self) -> Iterator[tuple[Any, ...]]:
        for (minute, type), count in self._arrived.items():
            yield minute, type, type.split(".")[0], count

    def coarse_arrivals(self) -> Iterator[tuple[Any, ...]]:
        wide: Counter[tuple[int, int, str]] = Counter()
        for (minute, type), count in self._arrived.items():
            for step in coarse.STEPS:
                wide[step, minute // step * step, type] += count
        return ((*place, place[2].split(".")[0], count) for place, count in wide.items())

    @cached_property
    def _arrived(self) -> Counter[tuple[int, str]]:
        return Counter((int(self.at(n) // 60), self.type_of(n)) for n in range(self.sizes.events))

    # -- runs

    def state_of(self, run: int) -> str:
        if run >= self.sizes.runs - self.sizes.runs // 50:
            return ("running", "waiting")[run % 2]
        return "failed" if run % 33 == 0 else "succeeded"

    def runs(self) -> Iterator[tuple[Any, ...]]:
        for run in range(self.sizes.runs):
            n, state = run * self.apart, self.state_of(run)
            ended = None if state in ("running", "waiting") else self.at(n) + 30
            yield (
                self.id_of(n), state, STEPS[-1], STEPS[0], f"order/{n % 200_000}", RUN_STEPS,
                self.at(n), ended,
            )  # fmt: skip

    def _in_runs(self) -> Iterator[tuple[int, int, int]]:
        for run in range(self.sizes.runs):
            for place in range(RUN_STEPS):
                yield run, place, run * self.apart + place

    def run_events(self) -> Iterator[tuple[Any, ...]]:
        for _, place, n in self._in_runs():
            cause = self.id_of(n - 1) if place else None
            yield (
                self.id_of(n), "shop", STEPS[place], f"order/{n % 200_000}",
                self.id_of(n - place), cause, self.at(n), self.at(n), True,
            )  # fmt: skip

    def deliveries(self) -> Iterator[tuple[Any, ...]]:
        for run, place, n in self._in_runs():
            state = "succeeded" if place < RUN_STEPS - 1 else self.state_of(run)
            state = {"failed": "parked", "running": "retrying"}.get(state, state)
            settled = state in ("succeeded", "parked")
            at = self.at(n)
            yield self._delivery(n, state, settled, at + 0.1, at + 0.4 if settled else None)
        for n in self._parked():
            if self.run_of(n) is None:
                yield self._delivery(n, "parked", True, self.at(n) + 0.1, self.at(n) + 9)

    def _delivery(
        self, n: int, state: str, settled: bool, started: float, ended: float | None
    ) -> tuple[Any, ...]:
        error = None if state == "succeeded" else self.error_of(n)
        return (
            self.id_of(n), "shop", self.subscription_of(n), self.type_of(n),
            self.id_of(self.root_of(n)), 0, 1, state, settled, self.at(n), started, ended,
            self.now + 60 if state == "retrying" else None, error, WORKERS[n % len(WORKERS)], None,
        )  # fmt: skip

    def attempts(self) -> Iterator[tuple[Any, ...]]:
        for n in self._parked():
            for attempt, state in ((1, "retrying"), (2, "parked")):
                at = self.at(n) + attempt * 3
                yield (
                    self.id_of(n), "shop", self.subscription_of(n), 0, attempt, state, at, at + 1,
                    self.error_of(n), TRACEBACK, WORKERS[n % len(WORKERS)],
                )  # fmt: skip

    # -- failures

    def subscription_of(self, n: int) -> str:
        return SUBSCRIPTIONS[(*PACKED, *STEPS).index(self.type_of(n))]

    def _parked(self) -> Iterator[int]:
        return iter(range(self.every - 1, self.sizes.events, self.every))

    def group_of(self, n: int) -> str:
        """Few groups have most of the letters."""
        return f"{int(GROUPS * random.Random(n).random() ** 3):016x}"

    def error_of(self, n: int) -> str:
        return f"ValueError: order {n} of group {int(self.group_of(n), 16)} has no price"

    def letters(self) -> Iterator[tuple[Any, ...]]:
        for n in self._parked():
            at, group = self.at(n), self.group_of(n)
            tries = [
                {"at": at + k, "generation": 0, "error": self.error_of(n), "traceback": TRACEBACK}
                for k in (3, 6)
            ]
            event = {**self.cloud_event(n), "data": self.data_of(n)}
            yield (
                f"l{n:015x}", event["id"], "shop", event["type"], self.subscription_of(n),
                event["correlationid"], 0, "parked", "exhausted", "ValueError: order … has no price",
                "handlers.py:27 in step_27", group, at + 6, at + 6, None, json.dumps(event),
                json.dumps(tries), None, None, None, "4f2a91c", None, None, None, None,
            )  # fmt: skip

    def groups(self) -> Iterator[tuple[Any, ...]]:
        members: dict[str, list[int]] = {}
        for n in self._parked():
            members.setdefault(self.group_of(n), []).append(n)
        for group, of_group in members.items():
            first, last = of_group[0], of_group[-1]
            yield (
                group, self.subscription_of(last), self.type_of(last), "exhausted",
                f"ValueError: order … of group {int(group, 16)} has no price", self.error_of(last),
                "handlers.py:27 in step_27", f"l{last:015x}", self.at(first) + 6,
                self.at(last) + 6, len(of_group), len(of_group), 0, "open", None, None, "", None,
                None, 0, "4f2a91c", "4f2a91c", None,
            )  # fmt: skip

    def counts(self) -> Iterator[tuple[Any, ...]]:
        counted: Counter[tuple[str, int, int]] = Counter()
        for n in self._parked():
            at = self.at(n) + 6
            counted[self.group_of(n), 3600, int(at // 3600)] += 1
            if at > self.now - 2 * DAY:
                counted[self.group_of(n), 60, int(at // 60)] += 1
        return ((*place, count) for place, count in counted.items())

    def successes(self) -> Iterator[tuple[Any, ...]]:
        last = self.sizes.events - 1
        for name, type in zip(SUBSCRIPTIONS, (*PACKED, *STEPS), strict=True):
            yield name, type, self.id_of(last), "shop", self.id_of(last), self.at(last)
