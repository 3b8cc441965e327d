"""Bookkeeping with a backlog makes room while others want the processors, and not for ever."""

from __future__ import annotations

import pytest

from app.subscriptions import yielding
from app.subscriptions.yielding import LONGEST, PATIENCE, Yielding, processor_times
from app.testing.clock import FakeClock


class Processors:
    """Two of them, of which others want a share."""

    def __init__(self, clock: FakeClock, share: float):
        self.clock, self.share = clock, share
        self.wanted = self.all = 0.0
        self.at = clock.monotonic()

    def __call__(self) -> yielding.Times:
        passed = (self.clock.monotonic() - self.at) * 2
        self.at += passed / 2
        self.wanted += passed * self.share
        self.all += passed
        return self.wanted, self.all


class Bookkeeper:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, share: float):
        monkeypatch.setattr(yielding.os, "cpu_count", lambda: 2)
        self.clock = FakeClock()
        self.processors = Processors(self.clock, share)
        self.yielding = Yielding(self.clock, self.processors)

    def turn(self, seconds: float, backlog: bool = True) -> float:
        """How long it pauses after a turn."""
        self.clock.sleep(seconds)
        begun = self.clock.monotonic()
        self.yielding.after_turn(seconds, backlog)
        return self.clock.monotonic() - begun


def test_it_pauses_for_three_times_its_turn_while_others_want_to_work(monkeypatch):
    books = Bookkeeper(monkeypatch, 0.9)
    assert books.turn(0.1) == 0  # it has yet to see what others do
    assert books.turn(0.1) == pytest.approx(LONGEST)
    assert books.turn(0.02) == pytest.approx(0.06)


def test_nobody_waits_for_what_is_free_or_drained(monkeypatch):
    calm = Bookkeeper(monkeypatch, 0.4)
    assert [calm.turn(0.1) for _ in range(5)] == [0] * 5
    busy = Bookkeeper(monkeypatch, 0.9)
    assert [busy.turn(0.1, backlog=False) for _ in range(5)] == [0] * 5


def test_it_goes_on_as_soon_as_the_others_are_done(monkeypatch):
    books = Bookkeeper(monkeypatch, 0.9)
    books.turn(0.1)
    assert books.turn(0.1) > 0
    books.processors.share = 0.1
    books.turn(0.1)
    assert books.turn(0.1) == 0


def test_who_has_been_behind_for_long_makes_no_more_room_until_it_has_caught_up(monkeypatch):
    books = Bookkeeper(monkeypatch, 1.0)
    begun = books.clock.monotonic()
    while books.clock.monotonic() - begun < PATIENCE + 1:
        books.turn(0.1)
    assert [books.turn(0.1) for _ in range(50)] == [0] * 50
    books.turn(0.1, backlog=False)
    books.turn(0.1)
    assert books.turn(0.1) > 0


def test_times_of_nice_processes_count_as_free(tmp_path):
    file = tmp_path / "stat"
    file.write_text("cpu  100 40 30 500 8 1 2 3 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")
    assert processor_times(file) == (136.0, 684.0)
    for said in ("", "cpu a b\n"):
        file.write_text(said)
        assert processor_times(file) is None
    assert processor_times(tmp_path / "none") is None
