"""Times, cursors, bounded keys."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Refused
from app.store.columns import KEY_LENGTH, clean, key
from app.store.moments import iso, seconds
from app.store.page import BadCursor, cursor_of, read_cursor
from app.store.position import entry_id, sortable

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "given",
    [
        NOON,
        NOON.timestamp(),
        str(NOON.timestamp()),
        "2026-01-31T12:00:00Z",
        "2026-01-31T12:00:00",
        "2026-01-31T13:00:00+01:00",
        datetime(2026, 1, 31, 12),
    ],
)
def test_times_are_read_in_every_usual_form(given):
    assert seconds(given) == NOON.timestamp()
    assert iso(seconds(given)) == "2026-01-31T12:00:00.000000Z"


@pytest.mark.parametrize("given", ["yesterday", "nan", "inf", True, [], "2026-13-01"])
def test_what_is_no_time_is_refused(given):
    with pytest.raises(Refused, match="is not a time"):
        seconds(given)


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2150, 1, 1)).map(lambda d: d.replace(tzinfo=UTC))
)
def test_a_shown_time_reads_back_as_the_same(moment):
    stored = moment.timestamp()
    assert seconds(iso(stored)) == stored


@given(st.floats(allow_nan=False, allow_infinity=False), st.text())
def test_a_cursor_gives_back_its_key(number, name):
    assert read_cursor(cursor_of(number, name), float, str) == [number, name]


@pytest.mark.parametrize(
    "cursor",
    ["nonsense", "", "é", "W10", cursor_of("text"), cursor_of(1), cursor_of(1, 2, 3), "12"],
)
def test_another_cursor_is_refused(cursor):
    with pytest.raises(BadCursor, match="leave it out"):
        read_cursor(cursor, float, str)


@given(st.text(max_size=400))
def test_a_key_is_bounded_and_the_same_each_time(text):
    assert len(key(text)) <= KEY_LENGTH
    assert key(text) == key(text) == key(key(text))
    if len(clean(text)) <= KEY_LENGTH:
        assert key(text) == clean(text)


def test_long_keys_that_differ_at_their_end_differ():
    assert key("x" * 1000 + "a") != key("x" * 1000 + "b")


@given(st.lists(st.tuples(st.integers(0, 2**42), st.integers(0, 2**32)), min_size=2, max_size=5))
def test_positions_sort_as_their_entry_ids_do(ids):
    texts = [f"{a}-{b}" for a, b in ids]
    assert sorted(map(sortable, texts)) == [sortable(f"{a}-{b}") for a, b in sorted(ids)]
    assert [entry_id(sortable(each)) for each in texts] == texts
