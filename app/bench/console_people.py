"""What people of a busy installation did: replays, changes, alerts, datasets and models. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from app.bench.console_story import DAY, SUBSCRIPTIONS, Story


class People:
    """Rows about a story's dead letters, subscriptions and events."""

    def __init__(self, story: Story):
        self.story, self.now = story, story.now

    def replays(self) -> Iterator[tuple[Any, ...]]:
        for n in range(200):
            at = self.now - n * 3600 - 60
            yield (
                f"replay-{n:04}", "succeeded", self._items(n), '{"group":"0"}', "{}", "a fix",
                None, "user:ada", at, at + 60, None, None, None, None,
            )  # fmt: skip

    def _items(self, replay: int) -> int:
        return min(10_000, self.story.sizes.letters) if replay == 0 else 5

    def replay_items(self) -> Iterator[tuple[Any, ...]]:
        for replay in range(200):
            for number in range(self._items(replay)):
                n = self.story.every - 1 + number * self.story.every
                yield (
                    f"replay-{replay:04}", number, self.story.subscription_of(n), f"l{n:015x}",
                    self.story.id_of(n), "shop", self.story.type_of(n), self.story.id_of(n), None,
                    "failed" if number % 50 == 0 else "succeeded", None,
                    self.story.error_of(n) if number % 50 == 0 else None,
                )  # fmt: skip

    def audit(self) -> Iterator[tuple[Any, ...]]:
        for n in range(20_000):
            name = SUBSCRIPTIONS[n % len(SUBSCRIPTIONS)]
            yield (
                n + 1, self.now - (20_000 - n) * 100, "user:ada", "subscription.changed",
                f"subscription:{name}", '{"timeout":60}', '{"timeout":90}', "{}",
            )  # fmt: skip

    def alerts(self) -> Iterator[tuple[Any, ...]]:
        for n in range(2000):
            at = self.now - n * 1200 - 60
            resolved = None if n < 3 else at + 600
            yield (
                f"alert-{n:05}", "raised" if n < 3 else "resolved", "lag", "lag",
                SUBSCRIPTIONS[n % len(SUBSCRIPTIONS)], "warning", 60.0, 90.0, 120.0, at, resolved,
                None, None, None, None, 2,
            )  # fmt: skip

    # -- models

    def datasets(self) -> Iterator[tuple[Any, ...]]:
        for n in range(60):
            yield f"table-{n:02}", "label", 5, self.now - n * DAY, self.now - n * 600

    def dataset_versions(self) -> Iterator[tuple[Any, ...]]:
        for n in range(60):
            for version in range(1, 6):
                yield (
                    f"table-{n:02}", version, f"upload-{n}-{version}", self.story.id_of(n * self.story.apart),
                    "validated", None, "table.csv", 100_000, None, "", "label", "classification",
                    1000, None, None, "[]", self.now - n * DAY, "user:ada",
                )  # fmt: skip

    def models(self) -> Iterator[tuple[Any, ...]]:
        for n in range(60):
            yield f"table-{n:02}", "classification", 20, 20, self.now - n * DAY, self.now - n * 600

    def model_versions(self) -> Iterator[tuple[Any, ...]]:
        metrics = json.dumps({"auc": 0.91, "accuracy": 0.87, "f1": 0.8, "log_loss": 0.3})
        lineage = json.dumps({"dataset": "table", "version": 1, "code": "4f2a91c", "rows": 1000})
        for n in range(60):
            for version in range(1, 21):
                state = "deployed" if version == 20 else "retired"
                yield (
                    f"table-{n:02}", version, self.story.id_of(n * self.story.apart), f"artefact-{n}-{version}",
                    "", state, "classification", '["no","yes"]', "auc", metrics, metrics, None,
                    lineage, "better", self.now - (n * 20 - version) * 600, None, None, None,
                )  # fmt: skip
