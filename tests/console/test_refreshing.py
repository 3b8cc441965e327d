"""Refreshes of open consoles: rendered once for those who may see the same, and with room for others."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Iterator

import pytest
from flask import Flask, template_rendered
from flask.testing import FlaskClient

from tests.console.conftest import send, token
from web.console import refreshing

SIGN_IN = Callable[[str], FlaskClient]


@pytest.fixture(autouse=True)
def kept_for_the_length_of_a_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refreshing, "KEPT", 60.0)


@pytest.fixture
def rendered(app: Flask) -> Iterator[list[str]]:
    names: list[str] = []

    def note(_app: Flask, template: object, **_: object) -> None:
        names.append(str(getattr(template, "name", "")))

    with template_rendered.connected_to(note, app):
        yield names


class Room(threading.BoundedSemaphore):
    """Says when so many have come in, without taking anybody's place to find out."""

    def __init__(self, size: int):
        super().__init__(size)
        self.size, self.entered = size, itertools.count(1)
        self.full = threading.Event()

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        got = super().acquire(blocking, timeout)
        if got and next(self.entered) == self.size:
            self.full.set()
        return got


def refresh(client: FlaskClient, path: str) -> str:
    answer = client.get(path, headers={"X-Fragment": "all"})
    assert answer.status_code == 200
    return answer.text


def form_tokens(page: str, name: str = "csrf_token") -> set[str]:
    return set(re.findall(rf'name="{name}" value="([^"]+)"', page))


def test_two_with_the_same_rights_share_a_rendering_and_no_form_token(
    sign_in: SIGN_IN, rendered: list[str]
) -> None:
    one, two = sign_in("operator"), sign_in("operator")
    rendered.clear()
    first, second = refresh(one, "/alerts"), refresh(two, "/alerts")
    assert rendered == ["alerts.html"]
    assert len(form_tokens(first)) == len(form_tokens(second)) == 1
    assert form_tokens(first) != form_tokens(second)
    (one_key,), (other_key,) = form_tokens(first, "form_key"), form_tokens(second, "form_key")
    assert one_key != other_key
    (of_two,) = form_tokens(second)
    muted = {"minutes": "60", "note": "", "back": "/alerts", "csrf_token": of_two}
    assert two.post("/theme", data={**muted, "theme": "dark"}).status_code == 303
    assert one.post("/theme", data={**muted, "theme": "dark"}).status_code == 400


def test_other_rights_another_address_and_a_whole_page_are_rendered_anew(
    sign_in: SIGN_IN, rendered: list[str]
) -> None:
    operator, viewer = sign_in("operator"), sign_in("viewer")
    rendered.clear()
    assert form_tokens(refresh(operator, "/alerts"))
    assert not form_tokens(refresh(viewer, "/alerts"))
    refresh(viewer, "/alerts?state=resolved")
    assert "Sign out" in viewer.get("/alerts").text
    assert rendered == ["alerts.html"] * 4


def test_what_is_somebodys_own_is_shown_to_nobody_else(
    sign_in: SIGN_IN, rendered: list[str]
) -> None:
    for client in (sign_in("operator"), sign_in("operator")):
        rendered.clear()
        refresh(client, "/sessions")
        assert rendered == ["sessions.html"]


def test_after_a_change_by_a_form_nothing_from_before_it_is_shown(
    operator: FlaskClient, rendered: list[str]
) -> None:
    refresh(operator, "/alerts")
    send(operator, "/alerts/rules/late/mute", hours="1", back="/alerts")
    rendered.clear()
    refresh(operator, "/alerts")
    assert rendered == ["alerts.html"]


def test_who_comes_while_it_is_rendered_waits_for_it_and_too_many_come_later(
    app: Flask, sign_in: SIGN_IN, rendered: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = [sign_in("viewer") for _ in range(4)]
    with app.app_context():
        refreshes = refreshing.refreshes()
    monkeypatch.setattr(refreshing, "PATIENCE", 60.0)
    room = refreshes.waiting = Room(3)
    assert refreshes.rendering.acquire() and refreshes.rendering.acquire()
    rendered.clear()
    answers: list[int] = []

    def ask(client: FlaskClient) -> None:
        answers.append(client.get("/alerts", headers={"X-Fragment": "all"}).status_code)

    threads = [threading.Thread(target=ask, args=(client,)) for client in clients[:3]]
    for thread in threads:
        thread.start()
    assert room.full.wait(60), "all three wait"
    late = clients[3].get("/alerts", headers={"X-Fragment": "all"})
    assert (late.status_code, late.headers["Retry-After"]) == (503, "2")
    assert token(clients[3])  # any other page has its turn
    refreshes.rendering.release()
    refreshes.rendering.release()
    for thread in threads:
        thread.join(60)
    assert answers == [200] * 3
    assert rendered.count("alerts.html") == 1


def test_a_page_that_fails_gives_its_turn_back(
    app: Flask, operator: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(refreshing.AT_ONCE + 1):
        assert operator.get("/runs/none", headers={"X-Fragment": "all"}).status_code == 404
    assert refresh(operator, "/alerts")
