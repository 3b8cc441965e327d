"""Replays: sending parked or past events again, as an operation that can be watched and stopped.

The list is frozen when a replay starts. Each event goes to one subscription,
through its `again` stream, with a generation of its own: what the handler
emits are new events with the old one as their cause. An edited event is a new
one (`replayedfrom` names the original); the original stays as it was.

A replay begins with its canary, if it has one, and goes on when all of that
succeeded. It keeps to its rate, and stops where too many fail again. The
caretaker calls `advance` a few times a second; all state is in SQL, so that a
restart changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from app.errors import Conflict, NotFound, Refused
from app.events.event import Event
from app.events.expressions import FilterFailed
from app.events.filters import compile_filter
from app.events.ids import derived_id
from app.events.topics import partition_of
from app.store.page import Page
from app.streams import keys
from app.streams.client import run_script
from app.streams.entry import Entry
from app.subscriptions.edits import child_of
from app.subscriptions.forecast import Forecast

SAMPLE = 5
EDITS_SHOWN = 20
BURST = 1000
"""How many are sent at once where no rate is set."""
ENOUGH = 10
"""Results from which a share of failures means something."""
LETTER_FILTER = {"subscription", "type", "group", "since", "until", "q"}
EVENT_FILTER = {
    "ids", "type", "subject", "partitionkey", "correlationid", "topic", "since", "until", "q",
    "expression",
}  # fmt: skip


class Replays:
    """The operators' functions on replays."""

    def __init__(self, platform: Any):
        self.platform = platform
        self.store = platform.replay_store
        self._allowance: dict[str, tuple[float, float]] = {}

    # -- starting

    def preview(
        self, selection: Mapping[str, Any], options: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """What a replay would send and cause; nothing is changed.

        `total`, `subscriptions` (name to count), a `sample` of events; `effects` as the handlers'
        authors declared them; `downstream` by recent experience (forecast.py); how many are
        `edited`, with the first of the `edits`; and `needs_approval`.
        """
        options = options or {}
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
        """What a preview looks at one by one; of a group or a filter, only what is edited.

        The rest is counted where it is, so that a preview of many is quick.
        """
        if "events" in selection or "dead_letters" in selection or options.get("edits"):
            yield from self._items(selection, options, derived_id("preview"))
            return
        target = options.get("subscription")
        if target:
            self.platform.subscription_store.get(target)
        wanted = self._wanted(selection)
        letters = self.platform.dead_letters
        for (name, type), count in letters.types(**wanted).items():
            counts[target or name, type] += count
        sample.extend(one["event"] for one in letters.find(**wanted, limit=SAMPLE).items)
        if options.get("prepared_edits"):
            for letter in letters.edited(**wanted):
                counts[target or letter["subscription"], letter["event"]["type"]] -= 1
                item = _item(letter, target)
                yield self._edited(item, letter["edit"]["patch"], derived_id("preview"))

    def _needs_approval(self, total: int) -> bool:
        above = self.platform.settings.approve_above
        return above is not None and total > above

    def start(
        self, selection: Mapping[str, Any], options: Mapping[str, Any] | None, actor: str
    ) -> str:
        """Freeze the list and begin; the replay's id.

        Raises `Refused` where nothing matches or an edit doesn't fit, `NotFound`, `Conflict`.
        """
        options = _checked(options or {})
        id = derived_id("replay", actor, self.platform.clock.now(), sorted(selection))
        with self._changing(actor, "started", id) as change:
            self.store.create(
                self._items(selection, options, id),
                selection=selection,
                options=options,
                actor=actor,
                id=id,
                approve_above=self.platform.settings.approve_above,
            )
            change.after = {"selection": dict(selection), "options": dict(options)}
        return id

    def _items(
        self, selection: Mapping[str, Any], options: Mapping[str, Any], id: str
    ) -> Iterator[dict[str, Any]]:
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
            yield self._edited(item, patch, id) if patch else item

    def _letters(
        self, selection: Mapping[str, Any], target: str | None
    ) -> Iterator[dict[str, Any]]:
        ids = self.selected(selection)
        found = 0
        for letter in self.platform.dead_letters.many(ids):
            found += 1
            if letter["state"] in ("replayed", "discarded"):
                raise Conflict(
                    f"Dead letter {letter['id']} is {letter['state']} already. To have its event"
                    " handled once more all the same, replay past events to the subscription."
                )
            yield _item(letter, target)
        if "dead_letters" in selection and found < len(set(ids)):
            raise NotFound(f"{len(set(ids)) - found} of these dead letters don't exist.")

    def selected(self, selection: Mapping[str, Any]) -> list[str]:
        """The ids of the dead letters that a selection means."""
        if ids := selection.get("dead_letters"):
            return list(dict.fromkeys(ids))
        return list(self.platform.dead_letters.ids(**self._wanted(selection)))

    def _wanted(self, selection: Mapping[str, Any]) -> dict[str, Any]:
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
        fits = compile_filter({"cel": expression}) if expression else None
        for arrival in self.platform.archive.iterate(filter):
            if not ("*" in row["types"] or arrival.event.type in row["types"]):
                continue
            try:
                wanted = fits is None or fits(arrival.event)
            except FilterFailed as failed:
                raise Refused(
                    f"the expression can't say whether it wants the event {arrival.event.id}: {failed}"
                ) from failed
            if wanted:
                yield {"event": arrival.event.to_dict(), "subscription": target}

    def _edited(self, item: dict[str, Any], patch: list[dict[str, Any]], id: str) -> dict[str, Any]:
        """The item with its event edited: a child of the original, checked against its schema."""
        child = child_of(self.platform, item["event"], patch, item["subscription"], id)
        return {
            **item,
            "event": child.to_dict(),
            "original": item["event"],
            "sent_id": child.id,
            "edited": True,
        }

    # -- watching and stopping

    def get(self, id: str) -> dict[str, Any]:
        return self.store.get(id)

    def find(self, limit: int = 50, cursor: str | None = None) -> Page[dict[str, Any]]:
        return self.store.find(limit, cursor)

    def beginning(self, id: str, limit: int) -> list[dict[str, Any]]:
        return self.store.beginning(id, limit)

    def items(
        self, id: str, state: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page[dict[str, Any]]:
        return self.store.items(id, state, limit, cursor)

    def pause(self, id: str, actor: str) -> None:
        """Send nothing more for now. Raises `Conflict` where it isn't sending."""
        with self._changing(actor, "paused", id):
            self.store.pause(id)

    def resume(self, id: str, actor: str) -> None:
        """Go on with the rest."""
        with self._changing(actor, "resumed", id):
            self.store.resume(id)

    def approve(self, id: str, actor: str) -> None:
        """The second person's yes: it begins. Raises `Refused` for who started it, `Conflict`."""
        with self._changing(actor, "approved", id):
            self.store.approve(id, actor)

    def cancel(self, id: str, actor: str) -> None:
        """End it: what was not sent stays parked."""
        with self._changing(actor, "cancelled", id):
            self.store.cancel(id)

    def discard(self, selection: Mapping[str, Any], actor: str, reason: str = "") -> int:
        """Put dead letters away without sending them; how many there were."""
        ids = self.selected(selection)
        with self.platform.database.together() as session:
            count = int(self.platform.dead_letters.discard(ids, actor, reason))
            self.platform.audit.record(
                actor, "dead-letters.discarded", f"dead-letters:{count}", session=session,
                after={"selection": dict(selection), "reason": reason},
            )  # fmt: skip
        self.platform.changes.announce("dead-letters", "replays")
        return count

    # -- advancing

    def advance(self) -> None:
        """Send what may be sent now of every open replay."""
        for replay in self.store.open():
            self._advance(replay)

    def _advance(self, replay: dict[str, Any]) -> None:
        id, options = replay["id"], replay["options"]
        sent = replay["total"] - replay["pending"] + replay["sent"]
        if replay["state"] == "canary":
            canary = min(options["canary"], replay["total"])
            if replay["failed"]:
                self._stop(id, f"{replay['failed']} of the first {canary} failed again")
                return
            if replay["succeeded"] >= canary and canary < replay["total"]:
                self.store.move(id, "running", ("canary",))
            wanted = canary - sent if replay["succeeded"] < canary else 0
        else:
            results = replay["succeeded"] + replay["failed"]
            share = replay["failed"] / results if results else 0.0
            limit = options.get("stop_above")
            if (
                limit is not None
                and results >= min(ENOUGH, replay["total"])
                and share > limit
                and sent < replay["total"]
            ):
                self._stop(
                    id, f"{replay['failed']} of {results} failed again, more than {limit:.0%}"
                )
                return
            wanted = replay["total"] - sent
        allowed = self._allowed(id, options.get("rate"))
        if count := min(wanted, allowed, BURST):
            self._send(id, replay, self.store.claim(id, count))

    def _allowed(self, id: str, rate: float | None) -> int:
        """How many the rate allows now: what has gathered since the last time, at most a second's worth."""
        if not rate:
            return BURST
        now = self.platform.clock.monotonic()
        last, rest = self._allowance.get(id, (now - 1 / rate, 0.0))
        rest = min(max(rate, 1.0), rest + (now - last) * rate)
        self._allowance[id] = (now, rest - int(rest))
        return int(rest)

    def _stop(self, id: str, why: str) -> None:
        self.store.pause(id, stopped=why)
        self.platform.changes.announce("replays")

    def _send(self, id: str, replay: Mapping[str, Any], items: list[dict[str, Any]]) -> None:
        """Put items into their subscriptions' `again` streams, each once, and confirm them."""
        letters = {
            one["id"]: one
            for one in self.platform.dead_letters.many(
                [i["dead_letter"] for i in items if i["dead_letter"]]
            )
        }
        generation = int(self.platform.clock.now() * 1000)
        sent = []
        for item in items:
            letter = letters.get(item["dead_letter"] or "")
            whole = item["whole"] or (letter and letter["event"])
            if whole is None:
                self.store.mark(
                    [
                        (
                            id,
                            item["sent_id"],
                            item["subscription"],
                            "failed",
                            "its dead letter is gone",
                        )
                    ]
                )
                continue
            event = Event.from_dict(whole)
            stream, fields = again_entry(
                self.platform, item["subscription"], event, generation, replay=id
            )
            mark = f"{keys.SEEN}replay:{id}:{item['number']}"
            run_script(
                self.platform.redis,
                "send",
                (stream, mark, keys.BELL),
                (item["subscription"], *fields),
            )
            sent.append(item["number"])
        self.store.sent(id, sent)
        self.platform.changes.announce("replays")

    @contextmanager
    def _changing(self, actor: str, what: str, id: str) -> Iterator[Any]:
        with self.platform.audit.changing(actor, f"replay.{what}", f"replay:{id}") as change:
            yield change
        self.platform.changes.announce("replays")


def _item(letter: Mapping[str, Any], target: str | None) -> dict[str, Any]:
    return {
        "dead_letter": letter["id"],
        "event": letter["event"],
        "subscription": target or letter["subscription"],
        "prepared": letter["edit"] and letter["edit"]["patch"],
    }


def again_entry(
    platform: Any, subscription: str, event: Event, generation: int, replay: str
) -> tuple[str, list[bytes | str]]:
    """Where a replayed event goes, and as which fields: its partition of the `again` stream."""
    topic = platform.catalogue.topic_of(event.type)
    partition = partition_of(event.partitionkey, platform.stream_topics.partitions(topic), event.id)
    stream = keys.again_stream(subscription, partition)
    entry = Entry(stream, b"", event.to_bytes(), generation=generation, replay=replay)
    return stream, entry.fields()


def _known(filter: Any, names: Iterable[str]) -> dict[str, Any]:
    """The filter itself; raises `Refused` for a name that it can't have."""
    if not isinstance(filter, Mapping):
        raise Refused("a filter is a mapping")
    if unknown := set(filter) - set(names):
        raise Refused(
            f"unknown in the filter: {', '.join(sorted(unknown))}; known are {', '.join(sorted(names))}"
        )
    return {name: value for name, value in filter.items() if value not in (None, "")}


def _checked(options: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in options.items() if value not in (None, "")}
    for name in ("canary", "rate"):
        value = kept.get(name)
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int | float) or value <= 0
        ):
            raise Refused(f"{name} is a number above 0")
    if "canary" in kept:
        kept["canary"] = int(kept["canary"])
    share = kept.get("stop_above")
    if share is not None and (
        isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1
    ):
        raise Refused("stop_above is a share from 0 to 1")
    if not isinstance(kept.get("prepared_edits", False), bool):
        raise Refused("prepared_edits is true or false")
    edits = kept.get("edits")
    if edits is not None and (
        not isinstance(edits, Mapping)
        or not all(isinstance(patch, list) for patch in edits.values())
    ):
        raise Refused("edits maps a dead letter's id, or *, to a JSON Patch (a list)")
    return kept
