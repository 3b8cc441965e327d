"""Rates count the seconds that passed; young installations have charts that begin with them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.web.fakes import FakePlatform
from web.console import figures
from web.drawing.flow import Load

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def row(minute: int, events: int = 0, **more: Any) -> dict[str, Any]:
    counts = {"in": events, "done": events, "failed": 0, "retried": 0, "parked": 0}
    at = NOON + timedelta(minutes=minute)
    return {"at": at.isoformat(), "waited": 0.5, "worked": 0.1, **counts, **more}


def after(minutes: int, seconds: float) -> datetime:
    return NOON + timedelta(minutes=minutes, seconds=seconds)


def test_the_minute_that_has_only_begun_does_not_halve_a_rate() -> None:
    rows = [row(i, 60) for i in range(3)] + [row(3, 20)]
    assert figures.per_second(rows, "in", after(3, 20)) == pytest.approx(1.0)
    assert figures.rates(rows, "in", after(3, 20))[-1] == pytest.approx(1.0)


def test_a_minute_of_a_few_seconds_is_left_out_of_charts() -> None:
    rows = [row(0, 60), row(1, 3)]
    assert len(figures.settled(rows, after(1, 4))) == 1
    assert len(figures.settled(rows, after(1, 30))) == 2
    assert figures.settled([row(0, 3)], after(0, 4)) == [row(0, 3)]


def test_charts_begin_where_something_happened() -> None:
    assert len(figures.begun([row(i) for i in range(50)] + [row(50, 9)])) == figures.QUARTER
    assert len(figures.begun([row(0, 9)] + [row(i) for i in range(1, 51)])) == 51


@pytest.mark.parametrize(
    ("load", "said"),
    [(Load(), "quiet"), (Load(1 / 300, 0.1, 1), "1 in 5 min"), (Load(0.5, 0.1, 150), "30 /min")],
)
def test_a_few_events_are_counted_and_no_rate(load: Load, said: str) -> None:
    assert figures.load_text(load) == said


def test_a_line_without_an_event_a_minute_has_no_number() -> None:
    assert figures.edge_text(0.001) == ""
    assert figures.edge_text(0.5) == "30 /min"


def test_figures_without_any_history() -> None:
    shown = figures.figures([], [], 0, NOON)
    assert [figure.what for figure in shown] == ["In", "Done", "Oldest waiting", "Failed"]
    assert [figure.value for figure in shown] == ["0", "0", "0 s", "0"]
    assert len(figures.charts([], [], NOON)) == 3


def test_a_paused_subscription_is_not_the_oldest_that_waits() -> None:
    rows = [
        {"name": "a.paused", "oldest": 900.0, "state": "paused", "backlog": 3},
        {"name": "a.late", "oldest": 40.0, "state": "late", "backlog": None},
    ]
    oldest = figures.figures([row(0)], rows, 0, after(0, 50))[2]
    assert (oldest.value, oldest.tail, oldest.mood) == ("40 s", "late", "is-late")


def test_deployments_are_marked_on_every_chart() -> None:
    event = {"time": after(1, 0).isoformat(), "subject": "digits"}
    for chart in figures.charts([row(i, 9) for i in range(4)], [event], after(3, 59)):
        assert "digits deployed" in chart.drawing


def test_a_late_one_says_what_keeps_the_slots_of_its_lane(
    operator: FlaskClient, platform: FakePlatform
) -> None:
    late = next(s for s in platform.data["subscriptions"] if s["state"] == "late")
    page = f"/subscriptions/{late['name']}"
    worker = {"id": "w", "alive": True, "concurrency": 2, "lanes": [late["lane"]]}
    slots = [{"subscription": "shop.report", "event": "1-0", "since": time.time()}] * 2
    platform.workers.list = lambda: [worker | {"slots": slots}]  # type: ignore[method-assign]
    assert "busy with something else" not in operator.get(page).text
    slots[:] = [slot | {"since": 1.0} for slot in slots]
    assert '<a href="/subscriptions/shop.report">shop.report</a> for' in operator.get(page).text
    slots[0] = slots[0] | {"subscription": late["name"]}
    assert "busy with something else" not in operator.get(page).text
