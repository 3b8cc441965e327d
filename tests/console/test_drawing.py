"""Drawings are escaped, round, and never lie about their numbers."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from web.console import figures
from web.drawing import chart, graph, plane, sparkline, waterfall
from web.drawing.scale import seconds_ticks, short, ticks
from web.drawing.svg import clip, tag

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOSTILE = "\"><script>alert('x')</script>&"


def parse(markup: Markup) -> ET.Element:
    return ET.fromstring(str(markup))


def test_what_is_not_known_is_a_gap_in_the_line_and_a_dash_in_the_table():
    times = [START + timedelta(minutes=n) for n in range(6)]
    series = [chart.Series("a", "in", [1.0, 2.0, None, 3.0, None, None], "–")]
    made = chart.lines("T", "x", times, series)
    drawn = parse(made.drawing)
    plot = next(svg for svg in drawn.iter("svg") if svg.get("class") == "plot")
    assert [len(line.get("points").split()) for line in plot.iter("polyline")] == [2, 1]
    assert len([line for line in plot.iter("line") if line.get("class") == "dot s-in"]) == 1
    assert [values for _, (values,) in made.rows()] == ["–", "–", "3", "–", "2", "1"]
    assert chart.lines("T", "x", times, [chart.Series("a", "in", [None] * 6, "–")]).drawing


def test_text_and_attributes_are_escaped() -> None:
    element = parse(tag("text", HOSTILE, class_=HOSTILE, x=1.5))
    assert element.text == HOSTILE
    assert element.get("class") == HOSTILE
    assert len(element) == 0


def test_an_attribute_that_is_none_is_left_out() -> None:
    assert tag("g", x=None, y=0) == '<g y="0"></g>'


@given(st.floats(min_value=0.01, max_value=1e12))
def test_ticks_hold_the_largest_value_and_are_few(top: float) -> None:
    found = ticks(top)
    assert found[0] == 0
    assert found[-1] >= top * 0.999
    assert 2 <= len(found) <= 5
    assert all(len(short(tick)) <= 6 for tick in found)


@pytest.mark.parametrize("top", [0, -1, float("nan"), float("inf")])
def test_ticks_of_nothing_are_an_empty_scale(top: float) -> None:
    assert ticks(top) == [0.0, 1.0]


@given(st.floats(min_value=1e-9, max_value=1e8))
def test_ticks_of_a_span_hold_it_and_read_differently(top: float) -> None:
    found = waterfall.axis(top)
    assert found[-1] >= top * 0.999
    assert 2 <= len(found) <= 6
    written = [figures.tick(each) for each in found]
    assert len(set(written)) == len(written)
    assert all(len(each) <= 8 for each in written)


def test_ticks_of_minutes_are_whole_ones() -> None:
    assert [figures.tick(each) for each in seconds_ticks(170)] == ["0 s", "1 m", "2 m", "3 m"]


@given(st.text(max_size=80), st.integers(min_value=2, max_value=40))
def test_clip_keeps_beginning_and_end(text: str, letters: int) -> None:
    clipped = clip(text, letters)
    assert len(clipped) <= max(letters, 2)
    if len(text) > letters:
        assert "…" in clipped
    else:
        assert clipped == text


@pytest.mark.parametrize("values", [[], [0.0], [3.0], [0.0, 0.0], [1.0, 5.0, 2.0]])
def test_sparklines_can_draw_any_history(values: list[float]) -> None:
    assert parse(sparkline.line(values, "x")).tag == "svg"
    drawn = parse(sparkline.bars(values, "x"))
    bars = "".join(path.get("d") for path in drawn.iter("path"))
    assert bars.count("M") == bars.count("z") == sum(value > 0 for value in values)


def test_sparklines_on_one_scale_share_their_height() -> None:
    low = parse(sparkline.line([5.0, 5.0], "x", top=10.0)).findall("line")[0]
    high = parse(sparkline.line([10.0, 10.0], "x", top=10.0)).findall("line")[0]
    assert float(low.get("y1", "0")) > float(high.get("y1", "0"))


def made(count: int) -> chart.Chart:
    times = [START + timedelta(minutes=i) for i in range(count)]
    series = [
        chart.Series(HOSTILE, "in", [float(i) for i in range(count)], "9"),
        chart.Series("done", "done", [1.0] * count, "1"),
    ]
    return chart.lines("T", "x", times, series, [chart.Marker(START + timedelta(minutes=1), "d")])


@pytest.mark.parametrize("count", [0, 1, 2, 60])
def test_a_chart_has_the_same_numbers_as_its_table(count: int) -> None:
    drawn = made(count)
    assert parse(drawn.drawing).tag == "div"
    assert [values[0] for _, values in drawn.rows()] == [short(i) for i in reversed(range(count))]
    assert len(parse(drawn.drawing).findall(".//rect")) == count


def test_stacked_bars_stand_on_each_other() -> None:
    series = [chart.Series("a", "parked", [3.0], "3"), chart.Series("b", "retried", [1.0], "1")]
    drawn = parse(chart.stacked("T", "x", [START], series).drawing)
    lower, upper = (bar for bar in drawn.findall(".//rect") if "bar" in bar.get("class", ""))
    assert float(upper.get("y", "0")) < float(lower.get("y", "0"))


def test_a_marker_outside_of_the_hour_is_not_drawn() -> None:
    times = [START, START + timedelta(minutes=1)]
    series = [chart.Series("a", "in", [1.0, 2.0], "2")]
    marker = chart.Marker(START - timedelta(hours=1), "long ago")
    assert "long ago" not in chart.lines("T", "x", times, series, [marker]).drawing


def test_labels_of_markers_do_not_cover_each_other() -> None:
    times = [START + timedelta(minutes=i) for i in range(60)]
    markers = [chart.Marker(START + timedelta(minutes=m), f"d{m}") for m in (5, 50, 51)]
    series = [chart.Series("a", "in", [1.0] * 60, "1")]
    drawn = chart.lines("T", "x", times, series, markers).drawing
    assert drawn.count('class="marker"') == 3
    assert ("d51" in drawn, "d50" in drawn, "d5<" in drawn) == (True, False, True)


def nodes(count: int) -> list[graph.Node]:
    return [
        graph.Node(str(i), "subscription", HOSTILE, "note", "healthy", "/x") for i in range(count)
    ]


def test_a_graph_is_escaped_and_has_every_node() -> None:
    drawn = graph.draw(nodes(3), [graph.Edge("0", "1"), graph.Edge("1", "2", label="4 /s")], "g")
    assert drawn is not None
    assert len(parse(drawn).findall(".//rect")) == 3
    assert len(parse(drawn).findall(".//path")) == 2


def test_a_graph_of_too_many_nodes_is_left_to_the_list() -> None:
    assert graph.draw(nodes(graph.MOST + 1), [], "g") is None
    assert graph.draw([], [], "g") is None


def test_a_long_chain_goes_on_in_another_row() -> None:
    chain = [graph.Edge(str(i), str(i + 1)) for i in range(14)]
    places = graph.arrange(nodes(15), chain, "leftright")
    assert places is not None
    assert places.width <= graph.PAGE


def test_a_circle_of_subscriptions_can_be_drawn() -> None:
    circle = [graph.Edge("0", "1"), graph.Edge("1", "0"), graph.Edge("1", "1")]
    assert graph.draw(nodes(2), circle, "g") is not None


def test_corners_are_rounded_and_lines_end_before_the_arrow() -> None:
    path = graph.rounded([(0, 0), (50, 0), (50, 40)])
    assert path.startswith("M0.0,0.0")
    assert "Q50.0,0.0" in path
    assert path.endswith("L50.0,35.0")


def test_a_waterfall_stays_within_its_track() -> None:
    marks = waterfall.axis(10.0)
    assert marks == [0, 5, 10]
    segments = [
        waterfall.Segment("waiting", -5, 2),
        waterfall.Segment("worked", 2, 99, "attempt 1"),
        waterfall.Segment("worked", 10, 10),
    ]
    for bar in parse(waterfall.row(segments, marks)).findall("rect"):
        start, width = (float(bar.get(key, "0%").rstrip("%")) for key in ("x", "width"))
        assert start >= 0
        assert width >= waterfall.THINNEST - 0.01
        assert start + width <= 100.01


def test_curves_that_share_a_colour_differ_in_their_line() -> None:
    assert len({plane.series_of(n) for n in range(12)}) == 12
