"""Logs carry what they are about and hide what they must; metrics are read from the platform."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog

from app.telemetry import logs, metrics
from tests.web.fakes import FakePlatform


@pytest.fixture
def lines(monkeypatch):
    root = logging.getLogger()
    before = root.handlers[:], root.level
    structlog.reset_defaults()
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    logs.configure("info", "json")
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def test_a_line_is_one_json_object_with_what_it_is_about(lines):
    with logs.bound(correlationid="run-1", subscription="shop.charge"):
        structlog.get_logger("app").info("Charged", amount=3)
    (line,) = lines()
    assert line["event"] == "Charged"
    assert (line["correlationid"], line["subscription"]) == ("run-1", "shop.charge")
    assert (line["level"], line["amount"]) == ("info", 3)


def test_lines_of_other_libraries_take_the_same_form(lines):
    with logs.bound(correlationid="run-1"):
        logging.getLogger("celery.worker").warning("Lost %s", "a child")
    (line,) = lines()
    assert line["event"] == "Lost a child"
    assert line["correlationid"] == "run-1"


def test_a_traceback_holds_no_local_variables(lines):
    secret = "s3cr3t"
    try:
        raise ValueError("broken") if secret else None
    except ValueError:
        structlog.get_logger("app").exception("It broke")
    (line,) = lines()
    assert "ValueError: broken" in line["exception"]
    assert "s3cr3t" not in line["exception"].replace('secret = "s3cr3t"', "")


def test_the_level_decides_what_is_written(lines):
    structlog.get_logger("app").debug("Too much")
    assert lines() == []


def test_metrics_show_what_the_platform_says():
    platform = FakePlatform()
    text = metrics.exposition(platform).decode()
    assert 'penstock_up{part="redis"} 1.0' in text
    assert "penstock_workers 2.0" in text
    assert 'penstock_parked{subscription="shop.handlers.charge"} 31.0' in text
    assert 'penstock_paused{subscription="shop.handlers.notify"} 1.0' in text


def test_what_is_not_known_is_left_out():
    text = metrics.exposition(FakePlatform()).decode()
    assert 'penstock_backlog{subscription="shop.handlers.charge"}' in text
    assert 'penstock_backlog{subscription="shop.handlers.notify"}' not in text


def test_a_part_that_is_away_is_shown_and_the_scrape_still_answers():
    platform = FakePlatform()
    platform.healthy = lambda: {
        "redis": "Connection refused", "database": "ok", "migrations": "ok", "workers": None, "archive_lag": None,
    }  # fmt: skip
    text = metrics.exposition(platform).decode()
    assert 'penstock_up{part="redis"} 0.0' in text
    assert "penstock_topic_events{" not in text
    assert "penstock_workers " not in text
