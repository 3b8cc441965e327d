"""Looking until it is so: on a clock that moves as it is slept on."""

from __future__ import annotations

import itertools

import pytest

from app.cqrs.looking import look_until
from app.testing.clock import FakeClock

LOOKS = (0.01, 0.1)


def test_it_ends_with_the_look_that_finds_it_and_steps_get_longer() -> None:
    clock, at = FakeClock(0.0), []

    def look() -> int:
        at.append(clock.monotonic())
        return len(at)

    assert look_until(lambda found: found == 12, look, clock, 30.0, LOOKS) == 12
    steps = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert steps[0] == pytest.approx(0.01) and steps[-1] == pytest.approx(0.1)
    assert all(later >= earlier * 0.999 for earlier, later in itertools.pairwise(steps))


@pytest.mark.parametrize("seconds", [0.0, -1.0, 0.35])
def test_when_the_time_is_over_it_tells_what_it_found_last(seconds: float) -> None:
    clock = FakeClock(0.0)
    began = clock.monotonic()
    assert look_until(lambda found: False, lambda: "waiting", clock, seconds, LOOKS) == "waiting"
    assert clock.monotonic() - began == pytest.approx(max(0.0, seconds))
