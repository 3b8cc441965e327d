"""Whose turn is next in a lease, where subscriptions have different priorities.

The highest goes first, and goes on as long as it has work; but every tenth
turn is given to whoever has waited longest, whatever its priority, so that a
low one is slowed down and never starved. Within a priority it is each in turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

PRIORITIES = ("low", "normal", "high")
NORMAL = "normal"
SHARE = 10
"""One turn in so many goes to whoever has waited longest."""


class Precedence:
    """Orders the agenda of one lease."""

    def __init__(self) -> None:
        self._turns = 0

    def arrange(self, agenda: deque[str], ranks: Mapping[str, int]) -> None:
        """Bring the subscription to the front that is served next; the others keep their order."""
        self._turns += 1
        if self._turns % SHARE == 0:
            return  # who is served goes to the end, so the first has waited longest
        first = max(agenda, key=lambda name: ranks.get(name, 0))  # the first of the highest
        if first != agenda[0]:
            agenda.remove(first)
            agenda.appendleft(first)


def rank(priority: str) -> int:
    """A priority as a number to compare."""
    return PRIORITIES.index(priority)
