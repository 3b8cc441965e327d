"""What each step of a history changed: the same, however little of a state is looked at."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app import Aggregate, applies
from app.events.event import Event
from app.sourcing.history import _unlike, differences, paths, tell
from app.store.eventstore.recorded import Recorded

leaves = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "a"])
names = st.sampled_from(["a", "b", "c"])
states = st.dictionaries(
    names,
    st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=3,
)


@given(states, states)
def test_what_is_alike_makes_no_difference(before: dict[str, Any], after: dict[str, Any]) -> None:
    def told(*two: dict[str, Any]) -> list[Any]:
        return sorted(map(repr, differences(*(dict(paths(each)) for each in two))))

    assert told(*_unlike(before, after)) == told(before, after)


class Shelf(Aggregate):
    category = "test-shelf"
    pieces: dict[str, int] = {}  # noqa: RUF012
    last: str = ""

    @applies("shelf.filled")
    def _filled(self, event: Event) -> None:
        self.last = event.data["item"]
        self.pieces = {**self.pieces, self.last: self.pieces.get(self.last, 0) + 1}

    @applies("shelf.cleared")
    def _cleared(self, event: Event) -> None:
        self.pieces = {}


def test_from_a_version_on_the_steps_are_the_same() -> None:
    events = [
        Recorded("test-shelf:1", n, n, Event(type="shelf.filled", data={"item": f"i{n % 3}"}), float(n), "ann")
        for n in range(1, 8)
    ]  # fmt: skip
    whole = tell(Shelf.kind(), "1", events)
    assert [change.field for change in whole.steps[0].changes] == ["last", "pieces.i1"]
    assert whole.why["pieces.i0"].version == 6 and whole.why["last"].version == 7
    for since in range(1, 9):
        part = tell(Shelf.kind(), "1", events, since=since)
        assert part.steps == whole.steps[since - 1 :] and part.fields == whole.fields


def test_what_was_emptied_is_so_because_of_who_emptied_it() -> None:
    said: list[tuple[str, Any]] = [("shelf.filled", {"item": "tea"}), ("shelf.cleared", {})]
    events = [
        Recorded("test-shelf:1", n, n, Event(type=type, data=data), float(n), "ann")
        for n, (type, data) in enumerate(said, 1)
    ]
    told = tell(Shelf.kind(), "1", events)
    assert told.why["pieces"].version == 2
    assert [change.field for change in told.steps[1].changes] == ["pieces.tea"]
    assert "pieces" not in tell(Shelf.kind(), "1", []).why
