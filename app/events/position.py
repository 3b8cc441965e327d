"""Position tokens: where a write ended, for a reader that waits until its answer includes it.

A token is text that a client hands on and needn't understand. It has up to two kinds of parts,
joined by commas: `42` is a position in the event store; `order:0=1790000000123-0` is a place in a
partition of a topic.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.errors import Refused
from app.origin import Origin

WRITTEN = r"^(\d{1,18}|[A-Za-z0-9_-]{1,100}:\d{1,6}=\d{1,15}-\d{1,18})(,.*)?$"
"""What a token may look like, for documents; `Position.read` says whether it is one."""
MOST_PLACES = 100
_STORED = re.compile(r"\d{1,18}")
_PLACE = re.compile(r"([A-Za-z0-9_-]{1,100}:\d{1,6})=(\d{1,15}-\d{1,18})")


@dataclass(frozen=True)
class Position:
    """`stored` is a position of the event store; `places` has an entry id for each `topic:partition`."""

    stored: int | None = None
    places: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> Position:
        """Raises `Refused` for what is no token."""
        stored, places = None, {}
        for part in text.split(","):
            if _STORED.fullmatch(part):
                stored = max(stored or 0, int(part))
            elif place := _PLACE.fullmatch(part):
                places[place[1]] = place[2]
            else:
                raise Refused(
                    f"{text[:80]!r} is no position: hand in what a write answered as X-Position, "
                    "such as 42 or order:0=1790000000123-0."
                )
        if len(places) > MOST_PLACES:
            raise Refused(f"A position names at most {MOST_PLACES} partitions.")
        return cls(stored, places)

    @classmethod
    def of(cls, origin: Origin) -> Position | None:
        """Where what was done here ended; None where nothing was written, or to very many partitions."""
        if len(origin.places) > MOST_PLACES or (origin.stored is None and not origin.places):
            return None
        return cls(origin.stored, dict(origin.places))

    def __str__(self) -> str:
        stored = [] if self.stored is None else [str(self.stored)]
        return ",".join(stored + [f"{name}={at}" for name, at in sorted(self.places.items())])
