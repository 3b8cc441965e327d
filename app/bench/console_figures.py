"""The figures of a busy installation, minute by minute and as `coarse` keeps them. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from app.bench.console_story import SUBSCRIPTIONS, WORKERS, Story
from app.store import coarse


class Figures:
    """Rows of rollups and lags, for as long before the story's moment as its sizes say."""

    def __init__(self, story: Story):
        self.days, self.now = story.sizes.days, story.now

    def _minutes(self, step: int) -> range:
        """Of the time for which figures in these steps are kept."""
        kept = min(self.days * 1440, coarse.KEPT.get(step, self.days * 1440))
        end = int(self.now // 60)
        return range((end - kept) // step * step + step, end + 1, step)

    def rollups(self, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        for minute in self._minutes(coarse.MINUTE):
            for k, name in enumerate(names):
                yield (*self._figures(minute, k, 1), name)

    def coarse_rollups(self) -> Iterator[tuple[Any, ...]]:
        named = [coarse.whose("subscription", name) for name in SUBSCRIPTIONS]
        named += [coarse.whose("worker", id) for id in WORKERS]
        for step in coarse.STEPS:
            for minute in self._minutes(step):
                for k, who in enumerate(named):
                    yield (*self._figures(minute, k, step), step, who)
        for step in (coarse.MINUTE, *coarse.STEPS):
            for minute in self._minutes(step):
                yield (*self._figures(minute, 0, step * len(SUBSCRIPTIONS)), step, coarse.ALL)

    @staticmethod
    def _figures(minute: int, k: int, times: int) -> tuple[Any, ...]:
        done = (100 + (minute + k) % 40) * times
        buckets = json.dumps({str(bucket): 5 * times for bucket in range(8, 30)})
        return minute, done, 2, 1, 0, 0, done * 0.02, 0.4, done * 0.05, 0.9, buckets, buckets

    def lags(self) -> Iterator[tuple[Any, ...]]:
        for minute in self._minutes(coarse.MINUTE):
            for name in SUBSCRIPTIONS:
                yield minute, name, minute % 50, 0.5

    def coarse_lags(self) -> Iterator[tuple[Any, ...]]:
        named = [coarse.whose("subscription", name) for name in SUBSCRIPTIONS]
        for step in (coarse.MINUTE, *coarse.STEPS):
            for minute in self._minutes(step):
                for who in [coarse.ALL, *(named if step > coarse.MINUTE else ())]:
                    yield minute, step, who, minute % 50, 0.5
