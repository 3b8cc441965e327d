"""An operator's decisions, where every lease sees them within its next read.

SQL is the record; this is its mirror in Redis: one hash with a version that
rises with every change, so that a lease compares one number with each read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import redis

from app.streams import keys
from app.streams.client import Wire, run_script

_FIELD = "sub:"


class Decision(msgspec.Struct, omit_defaults=True):
    """What an operator decided for a subscription; None where the code's default holds.

    `concurrency` is how many leases may serve it at once, `rate` its events a second,
    both over all workers. `generation` rises with each rewind: outputs of what is handled again are new events.
    `lane` and `priority` are those that count now. `rewound` is where the last rewind went (ms
    since 1970): what came back before it and is from later comes again from its topic, so that is dropped.
    `skipped`: it was to leave out what waits, so what came back without having failed is dropped, too.
    """

    paused: bool = False
    generation: int = 0
    rewound: int | None = None
    skipped: bool = False
    retry: dict[str, Any] | None = None
    filter: Any = None
    timeout: float | None = None
    concurrency: int | None = None
    rate: float | None = None
    lane: str | None = None
    priority: str | None = None


def stop_field(worker: str) -> str:
    """Where it stands that a worker is to stop; the worker takes it away when it leaves."""
    return f"stop:{worker}"


def version(client: redis.Redis) -> int:
    """The version alone; 0 where there is none."""
    return int(client.hget(keys.CONTROL, "version") or 0)


def decisions(client: redis.Redis) -> tuple[int, dict[str, Decision]]:
    """The version and the decisions by subscription, as of one moment."""
    found = client.hgetall(keys.CONTROL)
    return int(found.pop(b"version", 0)), {
        name.decode().removeprefix(_FIELD): msgspec.json.decode(value, type=Decision)
        for name, value in found.items()
        if name.startswith(_FIELD.encode())
    }


def decision(client: redis.Redis, subscription: str) -> Decision:
    found = client.hget(keys.CONTROL, _FIELD + subscription)
    return msgspec.json.decode(found, type=Decision) if found else Decision()


def decide(client: redis.Redis, subscription: str, value: Decision) -> None:
    """Put a decision in force."""
    _tell(client, word(subscription, value))


def be_present(client: redis.Redis, subscriptions: Iterable[str]) -> None:
    """Take back the word that subscriptions of these names were deleted: there are some again."""
    _tell(client, [part for name in subscriptions for part in (gone_field(name), "")])


def _tell(client: redis.Redis, words: Sequence[Any]) -> None:
    run_script(client, "decide", (keys.CONTROL, keys.BELL), (keys.EVERYBODY, *words))


def word(subscription: str, value: Decision) -> tuple[str, bytes]:
    """A decision as it is written: its field, and itself."""
    return _FIELD + subscription, msgspec.json.encode(value)


def add_gone(pipe: Any, subscription: str) -> None:
    """Leave word that a subscription was deleted: who has not heard of it makes no group for it."""
    pipe.hset(keys.CONTROL, gone_field(subscription), 1)
    pipe.hdel(keys.CONTROL, _FIELD + subscription)


def raise_version(wire: Wire, by: int) -> int:
    """Raise the version by so much, and wake everybody; the version after that."""
    version = wire("HINCRBY", keys.CONTROL, "version", by)
    wire("XADD", keys.BELL, "MAXLEN", "~", 1000, "*", "s", keys.EVERYBODY)
    return int(version)


def gone_field(subscription: str) -> str:
    return f"gone:{subscription}"


def add_change(pipe: Any) -> None:
    """Raise the version, and wake everybody who waits at the doorbell."""
    pipe.hincrby(keys.CONTROL, "version", 1)
    pipe.xadd(keys.BELL, {"s": keys.EVERYBODY}, maxlen=1000, approximate=True)
