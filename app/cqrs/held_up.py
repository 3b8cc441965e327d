"""A follower whose turn doesn't end: its function waits for something that doesn't come, or never stops. Pure.

Nothing in its process can end it. So that worker says so with its beat, which another thread sends, and an
operator is told by name, event and worker, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

LONG = 30.0
"""Seconds after which it needs a hand. A slow one is shown before."""

Told = dict[str, Any]


def by_name(workers: Iterable[Told]) -> dict[str, Told]:
    """What the live workers say of themselves: `{"since", "position", "type", "worker"}` by the follower's name."""
    said = [(one["id"], one["held_up"]) for one in workers if one["alive"] and one.get("held_up")]
    return {
        told["follower"]: {
            "since": told["since"], "position": told["position"], "type": told["type"], "worker": worker,
        }
        for worker, told in said
    }  # fmt: skip


def is_long(told: Told, now: float) -> bool:
    return bool(now - told["since"] > LONG)


def why(told: Told) -> str:
    """What to do, too."""
    where = f" at {told['type']}, position {told['position']}" if told["position"] else ""
    return (
        f"Its function doesn't come back{where}, and holds up all others. Only the end of its process ends that: "
        f"stop the worker {told['worker']} (nothing is lost), and mend the function; until that is deployed, pause it "
        "while that worker is stopped."
    )
