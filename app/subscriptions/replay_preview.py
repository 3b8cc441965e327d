"""What a replay would send and cause, before anybody starts it: nothing is changed.

Of dead letters in a group or a filter only those are looked at that an edit
changes; the rest is counted where it is, so that a preview of many is quick.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from app.events.ids import derived_id
from app.subscriptions.forecast import Forecast
from app.subscriptions.replay_selection import Selecting, item_of

SAMPLE = 5
EDITS_SHOWN = 20


class Preview:
    """Looks at what a replay would send."""

    def __init__(self, platform: Any, selecting: Selecting):
        self.platform = platform
        self.selecting = selecting

    def of(self, selection: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
        """Its figures: `total`, `subscriptions` (name to count), a `sample` of events; `effects` as the handlers'
        authors declared them; `downstream` by recent experience (forecast.py); how many are
        `edited`, with the first of the `edits`; and `needs_approval`.
        """
        counts: Counter[tuple[str, str]] = Counter()
        sample: list[dict[str, Any]] = []
        edits: list[dict[str, Any]] = []
        changed = 0
        for item in self._previewed(selection, options, counts, sample):
            counts[item["subscription"], item["event"]["type"]] += 1
            if len(sample) < SAMPLE:
                sample.append(item["event"])
            if item.get("edited"):
                changed += 1
                if len(edits) < EDITS_SHOWN:
                    edits.append(
                        {
                            "dead_letter": item.get("dead_letter"),
                            "before": item["original"],
                            "after": item["event"],
                        }
                    )
        names: Counter[str] = Counter()
        for (name, _), count in counts.items():
            names[name] += count
        forecast = Forecast(self.platform)
        return {
            "total": names.total(),
            "subscriptions": dict(names),
            "sample": sample,
            "effects": {name: forecast.effects_of(name) for name in names},
            "downstream": forecast.downstream(counts),
            "edited": changed,
            "edits": edits,
            "needs_approval": self._needs_approval(names.total()),
        }

    def _previewed(
        self,
        selection: Mapping[str, Any],
        options: Mapping[str, Any],
        counts: Counter[tuple[str, str]],
        sample: list[dict[str, Any]],
    ) -> Iterator[dict[str, Any]]:
        """What is looked at one by one; the rest is counted into `counts`, and some put into `sample`."""
        if "events" in selection or "dead_letters" in selection or options.get("edits"):
            yield from self.selecting.items(selection, options, derived_id("preview"))
            return
        target = options.get("subscription")
        if target:
            self.platform.subscription_store.get(target)
        wanted = self.selecting.wanted(selection)
        letters = self.platform.dead_letters
        for (name, type), count in letters.types(**wanted).items():
            counts[target or name, type] += count
        sample.extend(one["event"] for one in letters.find(**wanted, limit=SAMPLE).items)
        if options.get("prepared_edits"):
            for letter in letters.edited(**wanted):
                counts[target or letter["subscription"], letter["event"]["type"]] -= 1
                item = item_of(letter, target)
                yield self.selecting.edited(item, letter["edit"]["patch"], derived_id("preview"))

    def _needs_approval(self, total: int) -> bool:
        above = self.platform.settings.approve_above
        return above is not None and total > above
