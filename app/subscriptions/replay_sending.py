"""Sending what replays hold, a few times a second: canary first, then at the rate, until too many fail.

Each event goes into its subscription's `again` stream, once, with a generation
of its own. All state is in SQL, so that a restart changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.events.event import Event
from app.events.topics import partition_of
from app.streams import keys
from app.streams.client import run_script
from app.streams.entry import Entry

BURST = 1000
"""How many are sent at once where no rate is set."""
ENOUGH = 10
"""Results from which a share of failures means something."""


class Sending:
    """Sends for every open replay. Called by one process, the caretaker."""

    def __init__(self, platform: Any):
        self.platform = platform
        self.store = platform.replay_store
        self._allowance: dict[str, tuple[float, float]] = {}

    def advance(self) -> int:
        """Send what may be sent now of every open replay; how many are open."""
        replays = self.store.open()
        for replay in replays:
            self._advance(replay)
        return len(replays)

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


def again_entry(
    platform: Any, subscription: str, event: Event, generation: int, replay: str
) -> tuple[str, list[bytes | str]]:
    """Where a replayed event goes, and as which fields: its partition of the `again` stream."""
    topic = platform.catalogue.topic_of(event.type)
    partition = partition_of(event.partitionkey, platform.stream_topics.partitions(topic), event.id)
    stream = keys.again_stream(subscription, partition)
    entry = Entry(stream, b"", event.to_bytes(), generation=generation, replay=replay)
    return stream, entry.fields()
