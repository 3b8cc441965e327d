"""How the soak counts a pick-up: from the kill, less the time in which nobody was there."""

from __future__ import annotations

from app.bench.soak import Kill, _waits


def _waited(*, empty: list[tuple[float, float]], again: float = 30.0) -> list[float]:
    begun = {1: [(9.0, 100), (again, 200)], 2: [(9.5, 100)], 3: [(9.0, 300), (11.0, 400)]}
    return _waits(Kill("child", {100}, 10.0), begun, set(), empty)


def test_it_counts_what_the_kill_interrupted() -> None:
    assert _waited(empty=[]) == [20.0]
    finished = {(1, 100)}
    kill = Kill("child", {100}, 10.0)
    assert _waits(kill, {1: [(9.0, 100), (30.0, 200)]}, finished, []) == []


def test_a_time_without_any_worker_does_not_count() -> None:
    assert _waited(empty=[(10.1, 28.1), (40.0, 50.0)]) == [2.0]
    assert _waited(empty=[(0.0, 12.0), (28.0, 99.0)]) == [16.0]
