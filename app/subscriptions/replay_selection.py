"""What a replay sends: the events that a selection means, each for its subscription.

A selection names dead letters, a group or a filter of them, or past events and
the subscription that is to have them. An edited event is a child of the
original, checked against its schema; the original stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from app.errors import Conflict, NotFound, Refused
from app.events.expressions import Search
from app.subscriptions.edits import child_of

LETTER_FILTER = {"subscription", "type", "group", "since", "until", "q"}
EVENT_FILTER = {
    "ids", "type", "subject", "partitionkey", "correlationid", "topic", "since", "until", "q",
    "expression",
}  # fmt: skip


class Selecting:
    """Reads selections; everything raises `Refused` for one that can't be understood."""

    def __init__(self, platform: Any):
        self.platform = platform

    def items(
        self, selection: Mapping[str, Any], options: Mapping[str, Any], id: str
    ) -> Iterator[dict[str, Any]]:
        """What the replay `id` sends, one by one, edited where the options say so.

        Raises `Refused` where an edit doesn't fit, `NotFound`, and `Conflict` for what was sent already.
        """
        target = options.get("subscription") or selection.get("subscription")
        if target:
            self.platform.subscription_store.get(target)
        edits = options.get("edits") or {}
        found = (
            self._past_events(selection, target)
            if "events" in selection
            else self._letters(selection, target)
        )
        for item in found:
            prepared = item.pop("prepared", None) if options.get("prepared_edits") else None
            of_all = prepared or edits.get("*")
            patch = edits.get(item.get("dead_letter") or item["event"]["id"], of_all)
            yield self.edited(item, patch, id) if patch else item

    def _letters(
        self, selection: Mapping[str, Any], target: str | None
    ) -> Iterator[dict[str, Any]]:
        ids = self.ids(selection)
        found = 0
        for letter in self.platform.dead_letters.many(ids):
            found += 1
            if letter["state"] in ("replayed", "discarded"):
                raise Conflict(
                    f"Dead letter {letter['id']} is {letter['state']} already. To have its event"
                    " handled once more all the same, replay past events to the subscription."
                )
            yield item_of(letter, target)
        if "dead_letters" in selection and found < len(set(ids)):
            raise NotFound(f"{len(set(ids)) - found} of these dead letters don't exist.")

    def ids(self, selection: Mapping[str, Any]) -> list[str]:
        """The ids of the dead letters that a selection means."""
        if ids := selection.get("dead_letters"):
            return list(dict.fromkeys(ids))
        return list(self.platform.dead_letters.ids(**self.wanted(selection)))

    def wanted(self, selection: Mapping[str, Any]) -> dict[str, Any]:
        """A group or a filter, as the store's functions take it."""
        if group := selection.get("group"):
            return {"group": group, "state": "parked"}
        if "filter" in selection:
            return {"state": "parked", **_known(selection["filter"], LETTER_FILTER)}
        raise Refused(
            "Say which: dead_letters (a list of ids), group, filter, or events with a subscription."
        )

    def _past_events(
        self, selection: Mapping[str, Any], target: str | None
    ) -> Iterator[dict[str, Any]]:
        if not target:
            raise Refused(
                "A replay of past events needs a subscription: name the one that is to have them."
            )
        row = self.platform.subscription_store.get(target)
        filter = _known(selection["events"], EVENT_FILTER)
        expression = filter.pop("expression", None)
        fits = Search(expression) if expression else None
        for arrival in self.platform.archive.iterate(filter):
            if not ("*" in row["types"] or arrival.event.type in row["types"]):
                continue
            wanted = fits is None or fits(arrival.event)
            if fits and fits.failed:
                raise Refused(
                    f"the expression can't say whether it wants the event {arrival.event.id}:"
                    f" {fits.problem}"
                )
            if wanted:
                yield {"event": arrival.event.to_dict(), "subscription": target}

    def edited(self, item: dict[str, Any], patch: list[dict[str, Any]], id: str) -> dict[str, Any]:
        """The item with its event edited: a child of the original, checked against its schema."""
        child = child_of(self.platform, item["event"], patch, item["subscription"], id)
        return {
            **item,
            "event": child.to_dict(),
            "original": item["event"],
            "sent_id": child.id,
            "edited": True,
        }


def item_of(letter: Mapping[str, Any], target: str | None) -> dict[str, Any]:
    """A dead letter as a replay's item, for another subscription where `target` names one."""
    return {
        "dead_letter": letter["id"],
        "event": letter["event"],
        "subscription": target or letter["subscription"],
        "prepared": letter["edit"] and letter["edit"]["patch"],
    }


def _known(filter: Any, names: Iterable[str]) -> dict[str, Any]:
    """The filter itself; raises `Refused` for a name that it can't have."""
    if not isinstance(filter, Mapping):
        raise Refused("a filter is a mapping")
    if unknown := set(filter) - set(names):
        raise Refused(
            f"unknown in the filter: {', '.join(sorted(unknown))}; known are {', '.join(sorted(names))}"
        )
    return {name: value for name, value in filter.items() if value not in (None, "")}
