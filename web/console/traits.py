"""What the members of a group of failures have in common. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

COMMON = 0.6
MOST = 7


@dataclass(frozen=True)
class Trait:
    """A field, the value that most members share, and which share of them does."""

    name: str
    value: str
    share: float


def shared_traits(letters: Sequence[Mapping[str, Any]]) -> list[Trait]:
    """Fields whose commonest value at least `COMMON` of the members have, the widest first."""
    if len(letters) < 2:
        return []
    values: dict[str, Counter[str]] = {}
    for letter in letters:
        for name, value in _fields(letter):
            values.setdefault(name, Counter())[value] += 1
    traits = []
    for name, counted in values.items():
        value, times = counted.most_common(1)[0]
        share = times / len(letters)
        if share >= COMMON and times > 1:
            traits.append(Trait(name, value, share))
    return sorted(traits, key=lambda t: -t.share)[:MOST]


def _fields(letter: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    event = letter["event"]
    yield "reason", str(letter["reason"])
    for name in ("type", "source", "subject", "partitionkey", "dataschema"):
        if event.get(name):
            yield name, str(event[name])
    if isinstance(event.get("data"), dict):
        yield from _scalars(event["data"], "data")


def _scalars(data: Mapping[str, Any], path: str, depth: int = 2) -> Iterator[tuple[str, str]]:
    for name, value in list(data.items())[:40]:
        here = f"{path}.{name}"
        if isinstance(value, (str, int, float, bool)) or value is None:
            yield here, str(value)[:80]
        elif isinstance(value, dict) and depth > 1:
            yield from _scalars(value, here, depth - 1)
