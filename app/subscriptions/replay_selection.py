"""What a replay sends: the events that a selection means, each for its subscription.

A selection names dead letters, a group or a filter of them, or past events and
the subscription that is to have them. An edited event is a child of the
original, checked against its schema; the original stays as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from app.errors import Conflict, NotFound, Refused
from app.events.arrival import Arrival
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
        target = self.target_of(selection, options)
        if "events" in selection:
            filter, fits = self.past(selection)
            found = self.of_past(self.platform.archive.iterate(filter), target, fits)
            yield from self.edited_by(found, options, id)
            return
        ids = self.ids(selection)
        letters = self.platform.dead_letters.many(ids)
        if "dead_letters" in selection:
            letters = self.check_parked(ids, letters)
        yield from self.of_letters(letters, target, options, id)

    def target_of(self, selection: Mapping[str, Any], options: Mapping[str, Any]) -> str | None:
        """The subscription that is to have it all, where one is named. Raises `NotFound`, `Refused`."""
        target = options.get("subscription") or selection.get("subscription")
        if target:
            self.platform.subscription_store.get(target)
        elif "events" in selection:
            raise Refused(
                "A replay of past events needs a subscription: name the one that is to have them."
            )
        return target

    def check_parked(
        self, ids: Sequence[str], letters: Iterable[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """The letters of these ids; raises `Conflict` for what was sent already, `NotFound`."""
        found = list(letters)
        for letter in found:
            if letter["state"] in ("replayed", "discarded"):
                raise Conflict(
                    f"Dead letter {letter['id']} is {letter['state']} already. To have its event"
                    " handled once more all the same, replay past events to the subscription."
                )
        if len(found) < len(set(ids)):
            raise NotFound(f"{len(set(ids)) - len(found)} of these dead letters don't exist.")
        return found

    def of_letters(
        self,
        letters: Iterable[dict[str, Any]],
        target: str | None,
        options: Mapping[str, Any],
        id: str,
    ) -> Iterator[dict[str, Any]]:
        """Dead letters as items, edited where the options say so."""
        return self.edited_by((item_of(letter, target) for letter in letters), options, id)

    def edited_by(
        self, items: Iterable[dict[str, Any]], options: Mapping[str, Any], id: str
    ) -> Iterator[dict[str, Any]]:
        """Items with the edits that the options and people have for them."""
        edits = options.get("edits") or {}
        for item in items:
            prepared = item.pop("prepared", None) if options.get("prepared_edits") else None
            of_all = prepared or edits.get("*")
            patch = edits.get(item.get("dead_letter") or item["event"]["id"], of_all)
            yield self.edited(item, patch, id) if patch else item

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

    def past(self, selection: Mapping[str, Any]) -> tuple[dict[str, Any], Search | None]:
        """A selection of past events as the archive's filter, and the expression that they fit."""
        filter = _known(selection["events"], EVENT_FILTER)
        expression = filter.pop("expression", None)
        return filter, Search(expression) if expression else None

    def of_past(
        self, arrivals: Iterable[Arrival], target: str | None, fits: Search | None
    ) -> Iterator[dict[str, Any]]:
        """Those of some archived events that the subscription takes, as items."""
        types = self.platform.subscription_store.get(target)["types"]
        for arrival in arrivals:
            if not ("*" in types or arrival.event.type in types):
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
