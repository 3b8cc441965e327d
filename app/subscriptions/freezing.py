"""A replay's list before it is written: read to its end while nobody waits.

Reading a hundred thousand dead letters takes longer than writing their list. It is done before
the transaction that writes, so that the others wait for the writing only. The list lies in a
temporary file meanwhile, so that its size needs no memory. What became of a letter in between is
noticed when it is taken (`take_letters`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

NAMED_BY = ("id", "source", "type")


@contextmanager
def frozen(items: Iterable[Mapping[str, Any]]) -> Iterator[Iterator[dict[str, Any]]]:
    """The items, read already: with whole events only where no dead letter holds them as they are."""
    with tempfile.TemporaryFile(prefix="penstock-replay-") as file:
        for item in items:
            file.write(msgspec.json.encode(_needed(item)) + b"\n")
        file.seek(0)
        yield (msgspec.json.decode(line) for line in file)


def _needed(item: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in item.items() if name != "original"}
    if item.get("dead_letter") and not item.get("edited"):
        kept["event"] = {n: item["event"][n] for n in NAMED_BY if n in item["event"]}
    return kept
