"""Who hears how far a long work is."""

from __future__ import annotations

from collections.abc import Callable

Watch = Callable[[str, float], None]
"""Hears of each step that begins: its name, and the share of all that is done."""


def nobody(step: str, share: float) -> None:
    """Watches nothing."""


def part(watch: Watch, begin: float, end: float) -> Watch:
    """For a part of the work, whose own share goes from 0 to 1."""
    return lambda step, share: watch(step, begin + share * (end - begin))
