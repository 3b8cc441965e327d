"""Times, spans, rates and names are written so that nobody misreads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.console import words

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "0 s"), (0.0413, "41 ms"), (4.12, "4.1 s"), (38.4, "38 s"), (59.6, "1 m"),
        (192, "3 m 12 s"), (7440, "2 h 4 m"), (86_400, "1 d"), (180_000, "2 d 2 h"), (None, "–"),
        (-3, "0 s"),
    ],
)  # fmt: skip
def test_span(seconds: float | None, written: str) -> None:
    assert words.span(seconds) == written


@pytest.mark.parametrize(
    "value",
    [
        NOON,
        NOON.replace(tzinfo=None),
        NOON.astimezone(timezone(timedelta(hours=5))),
        "2026-01-31T12:00:00Z",
        "2026-01-31T13:00:00+01:00",
        NOON.timestamp(),
        "1769860800000-7",
    ],
)
def test_a_moment_may_come_in_many_forms(value: words.Moment) -> None:
    assert words.moment(value) == NOON
    assert words.iso(value) == "2026-01-31T12:00:00.000Z"


@pytest.mark.parametrize("value", [None, "", "soon", "2026-13-01"])
def test_what_is_no_moment_is_written_as_a_dash(value: words.Moment) -> None:
    assert words.moment(value) is None
    assert words.ago(value, NOON) == words.exact(value) == "–"


@pytest.mark.parametrize(
    ("before", "written"),
    [(0, "now"), (12, "12 s ago"), (200, "3 min ago"), (7300, "2 h ago"), (-200, "in 3 min")],
)
def test_ago(before: float, written: str) -> None:
    assert words.ago(NOON - timedelta(seconds=before), NOON) == written


@pytest.mark.parametrize(
    ("per_second", "written"),
    [(0, "0 /s"), (388.4, "388 /s"), (2.14, "2.1 /s"), (0.77, "46 /min"), (0.001, "4 /h"),
     (12_340, "12.3k /s")],
)  # fmt: skip
def test_a_rate_has_the_unit_in_which_it_is_readable(per_second: float, written: str) -> None:
    assert words.rate_text(per_second) == written


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        ("ValueError: not 7", ("ValueError", "not 7")),
        ("requests.exceptions.Timeout: 5 s", ("Timeout", "5 s")),
        ("it was killed: 3 times", ("", "it was killed: 3 times")),
        (None, ("", "")),
    ],
)
def test_the_kind_of_an_error_stands_apart(error: str | None, parts: tuple[str, str]) -> None:
    assert words.error_parts(error) == parts


@pytest.mark.parametrize(
    ("many", "written"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"),
                          (["a", "b", "c", "d", "e"], "a, b, c and 2 more")]
)  # fmt: skip
def test_listed(many: list[str], written: str) -> None:
    assert words.listed(many) == written


@given(st.text())
def test_names_are_escaped_wherever_they_may_break(name: str) -> None:
    for written in (words.dotted(name), words.breakable(name)):
        bare = str(written)
        for own in ('<span class="name">', '<span class="dim">', "</span>", "<wbr>"):
            bare = bare.replace(own, "")
        assert "<" not in bare
        assert '"' not in bare


@pytest.mark.parametrize(("text", "written"), [
    ("a `b<` c", "a <code>b&lt;</code> c"), ("no `end", "no `end"),
    ("``x``", "<code>x</code>"), ("<i>`", "&lt;i&gt;`"), ("", ""),
])  # fmt: skip
def test_what_stands_in_backticks_is_code(text: str, written: str) -> None:
    assert words.ticked(text) == written


def test_marks_that_turn_text_are_spelt_out() -> None:
    assert words.steady("a\u202eb\u2066") == "a\\u202eb\\u2066"
    assert words.steady("שלום 7") == "שלום 7"
    assert words.steady(7) == 7


@given(st.floats(min_value=0, max_value=1e9))
def test_every_span_is_short(seconds: float) -> None:
    assert len(words.span(seconds)) <= 12


def test_an_error_in_one_line_keeps_its_message() -> None:
    assert words.error_line("shop.NoSuch: it's\nlong") == "NoSuch: it's"
    assert words.error_line("x" * 200) == "x" * 119 + "…"
    assert words.error_line(None) == ""
