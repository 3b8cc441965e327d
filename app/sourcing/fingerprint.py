"""A hash of the code that builds a state, so that a snapshot never outlives what made it.

It covers whatever the given roots reach in the author's code (`reached`): too much costs a replay, too
little would decide on a state that the code of today doesn't build.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from app.sourcing.reached import reached

_MADE = "3"
"""Of the written form of snapshots, and of what the fingerprint covers: those of another number are not read."""


def fingerprint(*roots: Any, homes: Iterable[str] = ()) -> str:
    """32 hex digits. `roots` are functions, classes and values; `homes` are the modules they are from."""
    text = "\n".join([_MADE, *reached(roots, homes)])
    return hashlib.sha256(text.encode()).hexdigest()[:32]
