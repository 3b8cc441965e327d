"""From a group of failures to its cause and a safe replay, three of its letters edited, by forms only.

On the real platform, without any script: what an operator at three in the morning does.
"""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from app.bootstrap import Platform
from app.events.event import Event
from app.store import dead_letters
from tests.console.conftest import send, token
from tests.console.test_real import GROUP, admin, app, platform  # noqa: F401

NAME = "shop.charge"


@pytest.fixture
def letters(platform: Platform) -> list[str]:  # noqa: F811
    """Thirty orders that the handler refused, in one group."""
    deliveries = []
    for number in range(30):
        event = Event(type="order.placed", data={"n": number, "currency": ""}).to_dict()
        attempts = [{"at": 1.0, "error": f"ValueError: order {number}", "traceback": "Traceback …"}]
        deliveries.append({
            "event": {name: event[name] for name in ("id", "source", "type", "time")},
            "state": "parked", "error": f"ValueError: order {number}",
            "published": 1.0, "started": 1.0, "ended": 2.0 + number,
            "letter": {"event": event, "reason": "exhausted", "attempts": attempts, "frame": "",
                       "group": GROUP, "title": "ValueError: order …", "code": "v42"},
        })  # fmt: skip
    record = {
        "subscription": NAME, "worker": "w", "at": 1.0, "counts": {}, "deliveries": deliveries,
    }  # fmt: skip
    platform.projection.apply_records([Event(type="penstock.settled", data=record)])
    return [letter["id"] for letter in platform.dead_letters.find(limit=3).items]


def test_three_of_a_group_are_edited_and_all_are_sent_in_one_replay(
    admin: FlaskClient,  # noqa: F811
    platform: Platform,  # noqa: F811
    letters: list[str],
) -> None:
    page = admin.get(f"/failures?group={GROUP}").text
    assert "v42" in page
    send(admin, f"/failures/groups/{GROUP}/acknowledge", reason="at it")
    assert "at it" in admin.get(f"/failures?life=acknowledged&group={GROUP}").text
    for id in letters:
        data = '{"n": 1, "currency": "<EUR>"}'
        page = send(admin, f"/failures/{id}/edit", data=data, then="keep")
        assert "&lt;EUR&gt;" in page
        assert "<EUR>" not in page
    page = admin.get(f"/replays/new?scope=group&group={GROUP}&canary=10&edits=prepared").text
    assert "Replay 30 events?" in page
    assert re.search(r"<strong>3</strong> of them are sent with edited data", page)
    hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.split("<main")[1])
    send(admin, "/replays", **{**dict(hidden), "csrf_token": token(admin)})
    (replay,) = platform.replays.find().items
    assert (replay["total"], replay["state"]) == (30, "canary")
    items = platform.replays.items(replay["id"]).items
    assert {item["dead_letter"] for item in items if item["whole"]} == set(letters)
    assert platform.failures.group(GROUP)["replaying"] == 30
    actions = {row["action"] for row in platform.audit.find().items}
    assert {"failure-group.acknowledged", "dead-letter.edit-prepared", "replay.started"} <= actions


def test_one_is_found_in_its_group_and_a_search_that_was_cut_short_says_so(
    admin: FlaskClient,  # noqa: F811
    letters: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = admin.get(f"/failures?group={GROUP}&q=order+29").text
    assert page.count('name="id"') == 1
    assert f'<input type="hidden" name="group" value="{GROUP}">' in page.split("</form>")[3]
    assert "so far" not in page
    monkeypatch.setattr(dead_letters, "SCAN", 10)
    monkeypatch.setattr(dead_letters, "SCAN_SECONDS", -1)
    page = admin.get(f"/failures?group={GROUP}&q=order+3").text
    assert "None so far: the search ends after a moment" in page
    further = re.search(r'href="([^"]*cursor=[^"]*)"[^>]*>Look further back', page)
    assert further
    assert "Look further back" in admin.get(further[1].replace("&amp;", "&")).text


def test_a_viewer_can_do_none_of_it(platform: Platform, app, letters: list[str]) -> None:  # noqa: F811
    platform.users.create("viewer", "a long enough password", "viewer")
    viewer = app.test_client()
    form = {"username": "viewer", "password": "a long enough password"}
    viewer.post("/sign-in", data={**form, "csrf_token": token(viewer)})
    assert viewer.get("/failures").status_code == 200
    for path in (
        f"/failures/groups/{GROUP}/acknowledge",
        f"/failures/groups/{GROUP}/ignore",
        f"/failures/groups/{GROUP}/reopen",
        f"/failures/{letters[0]}/edit",
        "/replays/any/approve",
    ):
        answer = viewer.post(path, data={"csrf_token": token(viewer), "then": "drop"})
        assert answer.status_code == 403, path
    assert viewer.get("/replays/past").status_code == 403
    assert platform.failures.group(GROUP)["state"] == "open"
