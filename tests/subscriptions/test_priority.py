"""Who is served next: a pure decision over the agenda."""

from __future__ import annotations

from collections import Counter, deque

from app.subscriptions.priority import SHARE, Precedence

RANKS = {"low": 0, "lower": 0, "normal": 1, "high": 2, "higher": 2}


def _served(agenda: deque[str], turns: int) -> list[str]:
    """What is served where everybody always has more work."""
    precedence, served = Precedence(), []
    for _ in range(turns):
        precedence.arrange(agenda, RANKS)
        served.append(agenda[0])
        agenda.rotate(-1)
    return served


def test_the_highest_goes_first_and_equals_take_turns():
    assert _served(deque(["low", "high", "normal", "higher"]), 4) == [
        "high", "higher", "high", "higher",
    ]  # fmt: skip


def test_nobody_starves():
    served = Counter(_served(deque(RANKS), SHARE * 100))

    assert set(served) == set(RANKS)
    assert min(served.values()) >= 20
    assert served["high"] + served["higher"] > SHARE * 85
