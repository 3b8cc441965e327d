"""Looking again and again until it is so: for an answer, or for a position, in short steps that get longer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from app.clock import Clock

Told = TypeVar("Told")


def look_until(
    is_so: Callable[[Told], bool],
    look: Callable[[], Told],
    clock: Clock,
    seconds: float,
    looks: tuple[float, float],
) -> Told:
    """What was found when it is so, or when so many seconds are over; at least one look is taken.

    `looks` are the seconds between two of them: at first, and at most.
    """
    pause, longest = looks
    end = clock.monotonic() + seconds
    while not is_so(found := look()) and (left := end - clock.monotonic()) > 0:
        clock.sleep(min(pause, left))
        pause = min(longest, pause * 1.5)
    return found
