"""When Redis or the database is away, a page says so; it does not break."""

from __future__ import annotations

from typing import Any

import pytest
import redis.exceptions
from flask.testing import FlaskClient

from app.errors import Unavailable
from tests.console.test_pages import Outline
from tests.web.fakes import FakePlatform

AWAY = Unavailable("The database can't be reached: try again in a few seconds.")


def away(*arguments: Any, **named: Any) -> Any:
    raise AWAY


def lost(*arguments: Any, **named: Any) -> Any:
    raise redis.exceptions.ConnectionError("Connection refused")


def test_without_redis_the_overview_says_what_to_do(
    admin: FlaskClient, platform: FakePlatform
) -> None:
    platform.healthy = lambda: {"redis": "Connection refused.", "database": "ok", "workers": None}
    platform.subscriptions.list = lost  # type: ignore[method-assign]
    answer = admin.get("/")
    assert answer.status_code == 200
    assert "Redis can&#39;t be reached" in answer.text
    assert "python -m app doctor" in answer.text


@pytest.mark.parametrize("path", ["/subscriptions", "/workers", "/topics", "/failures"])
def test_without_redis_other_pages_say_so(
    admin: FlaskClient, platform: FakePlatform, path: str
) -> None:
    for part in (platform.subscriptions, platform.workers, platform.topics):
        part.list = lost  # type: ignore[method-assign,union-attr]
    answer = admin.get(path)
    assert answer.status_code == 503
    assert "can&#39;t be reached" in answer.text
    assert Outline(answer.text).open == []


@pytest.mark.parametrize("path", ["/", "/runs", "/failures", "/events", "/sign-in"])
def test_without_a_database_nobody_is_known_and_it_is_said(
    admin: FlaskClient, platform: FakePlatform, path: str
) -> None:
    platform.users.get = away  # type: ignore[method-assign]
    for part in (platform.runs, platform.archive, platform.dead_letters, platform.replays):
        part.find = away  # type: ignore[method-assign,union-attr]
    platform.dead_letters.groups = away  # type: ignore[method-assign]
    answer = admin.get(path)
    assert answer.status_code == 503
    assert "database can&#39;t be reached" in answer.text
    assert "Retry-After" in answer.headers


def test_a_form_that_comes_during_an_outage_is_told_so(
    operator: FlaskClient, platform: FakePlatform
) -> None:
    from tests.console.conftest import send

    platform.subscriptions.pause = away  # type: ignore[method-assign]
    page = send(operator, "/subscriptions/shop.handlers.charge/pause")
    assert "database can&#39;t be reached" in page
    assert "is paused. Its events wait" not in page
