"""Finding anything by what one has in hand: an id, the beginning of one, or a part of a name.

One function for the console, the API and the command line. Ids, subjects and keys of events
are looked up by their indexes; names, of which there are few, are compared with every word
that was given. It shows ids, names and states, and nothing of an event's data; whoever may
not see everything hands in a platform whose answers are masked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import redis

from app.errors import PenstockError, Refused, Unavailable

KINDS = (
    "page", "action", "run", "event", "dead-letter", "group", "replay", "subscription", "topic",
    "type", "dataset", "model", "projection", "worker", "subject", "key",
)  # fmt: skip
LONGEST = 1000
EXACT, BEGINS, WORD, WITHIN = range(4)
"""How well a name fits, best first."""


@dataclass(frozen=True)
class Found:
    """Something that fits. `id` leads to it; `about` says what tells it from others like it."""

    kind: str
    id: str
    title: str
    about: str = ""
    at: str | None = None
    fit: int = EXACT


@dataclass
class Findings:
    """What was found, the best first, and what could not be asked and why."""

    items: list[Found] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)


def find(platform: Any, q: str, each: int = 5) -> Findings:
    """Whatever `q` may mean, at most `each` of a kind. Raises `Refused` for no words or too many."""
    wanted = q.strip()
    if not wanted:
        raise Refused("Say what to look for: an id or the beginning of one, or a part of a name.")
    if len(wanted) > LONGEST:
        raise Refused(f"Say it in at most {LONGEST:,} characters.")
    findings = Findings()
    for what, look in _LOOKS.items():
        try:
            findings.items += look(platform, wanted, each)
        except (PenstockError, redis.RedisError, OSError) as problem:
            findings.unasked.append(f"{what}: {problem or type(problem).__name__}")
    if len(findings.unasked) == len(_LOOKS):
        raise Unavailable(f"Nothing could be asked: {findings.unasked[0]}")
    order = {kind: number for number, kind in enumerate(KINDS)}
    findings.items.sort(key=lambda one: (one.fit, order[one.kind]))
    return findings


def fit(name: str, q: str) -> int | None:
    """How well a name fits what was written, or None: every word of it must be in the name."""
    name, q = name.casefold(), q.casefold()
    if name == q:
        return EXACT
    if name.startswith(q):
        return BEGINS
    words = q.split()
    if not all(word in name for word in words):
        return None
    starts = _starts(name)
    return WORD if all(any(s.startswith(word) for s in starts) for word in words) else WITHIN


def _starts(name: str) -> list[str]:
    """The name from each of its words on."""
    breaks = [i + 1 for i, letter in enumerate(name) if not letter.isalnum()]
    return [name[i:] for i in (0, *breaks)]


def best(found: Iterable[Found], each: int) -> list[Found]:
    return sorted(found, key=lambda one: (one.fit, one.title))[:each]


# -- ids


def _runs(platform: Any, q: str, each: int) -> list[Found]:
    return [
        Found("run", row["correlationid"], row["type"],
              " · ".join(filter(None, (row["state"], row["subject"]))), row["started"],
              _exact(row["correlationid"], q))
        for row in platform.runs.beginning(q, each)
    ]  # fmt: skip


def _events(platform: Any, q: str, each: int) -> list[Found]:
    found = [
        Found("event", row["id"], row["type"], row["subject"] or "", row["time"],
              _exact(row["id"], q))
        for row in platform.archive.beginning(q, each)
    ]  # fmt: skip
    for kind, filter in (("subject", "subject"), ("key", "partitionkey")):
        newest = platform.archive.find(**{filter: q}, limit=1).items
        if newest:
            found.append(Found(kind, q, q, f"events with this {kind}", newest[0].get("time")))
    return found


def _letters(platform: Any, q: str, each: int) -> list[Found]:
    return [
        Found("dead-letter", row["id"], row["type"], f"{row['subscription']} · {row['state']}",
              row["parked"], _exact(row["id"], q))
        for row in platform.dead_letters.beginning(q, each)
    ]  # fmt: skip


def _groups(platform: Any, q: str, each: int) -> list[Found]:
    return [
        Found("group", row["id"], row.get("error") or row["title"], f"{row['subscription']} · {row['state']}",
              row["last"], _exact(row["id"], q))
        for row in platform.failures.beginning(q, each)
    ]  # fmt: skip


def _replays(platform: Any, q: str, each: int) -> list[Found]:
    return [
        Found("replay", row["id"], f"Replay of {row['total']:,}", row["state"], row["created"],
              _exact(row["id"], q))
        for row in platform.replays.beginning(q, each)
    ]  # fmt: skip


def _exact(id: str, q: str) -> int:
    return EXACT if id == q else BEGINS


# -- names


def _subscriptions(platform: Any, q: str, each: int) -> list[Found]:
    rows = platform.subscriptions.names()
    found = [
        Found("subscription", row["name"], row["name"], _condition(row), None, how)
        for row in rows
        if (how := fit(row["name"], q)) is not None
    ]
    known = {name for row in rows for name in (*row["types"], *row["emits"]) if name != "*"}
    known |= {row["type"] for row in platform.schemas.all()}
    types = [Found("type", n, n, "", None, h) for n in known if (h := fit(n, q)) is not None]
    return best(found, each) + best(types, each)


def _condition(row: Any) -> str:
    if not row["active"]:
        return "no code declares it any more"
    return "paused" if row["paused"] else f"takes {', '.join(row['types'])}"


def _topics(platform: Any, q: str, each: int) -> list[Found]:
    return _named("topic", ((name, "") for name in platform.topics.names()), q, each)


def _datasets(platform: Any, q: str, each: int) -> list[Found]:
    rows = platform.datasets.find(limit=1000).items
    return _named("dataset", ((row["name"], row["state"]) for row in rows), q, each)


def _models(platform: Any, q: str, each: int) -> list[Found]:
    rows = platform.models.find(limit=1000).items
    told = ((r["name"], f"champion {r['champion']}" if r["champion"] else "") for r in rows)
    return _named("model", told, q, each)


def _projections(platform: Any, q: str, each: int) -> list[Found]:
    told = ((r["name"], f"{r['kind']} · {r['state']}") for r in platform.projections.list())
    return _named("projection", told, q, each)


def _workers(platform: Any, q: str, each: int) -> list[Found]:
    rows = platform.workers.list()
    told = ((r["id"], ", ".join(r["lanes"]) + ("" if r["alive"] else " · silent")) for r in rows)
    return _named("worker", told, q, each)


def _named(kind: str, names: Iterable[tuple[str, str]], q: str, each: int) -> list[Found]:
    found = [
        Found(kind, name, name, about, None, how)
        for name, about in names
        if (how := fit(name, q)) is not None
    ]
    return best(found, each)


_LOOKS: dict[str, Callable[[Any, str, int], list[Found]]] = {
    "runs": _runs,
    "events": _events,
    "dead letters": _letters,
    "groups of failures": _groups,
    "replays": _replays,
    "subscriptions and types": _subscriptions,
    "topics": _topics,
    "datasets": _datasets,
    "models": _models,
    "projections": _projections,
    "workers": _workers,
}
