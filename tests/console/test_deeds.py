"""What a form does: it calls the platform, says what happened, and leads back."""

from __future__ import annotations

import html
import io
import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.console.conftest import send, token
from tests.web.fakes import FakePlatform
from web import create_app

CHARGE = "/subscriptions/shop.handlers.charge"


def state(platform: FakePlatform, name: str = "shop.handlers.charge") -> str:
    return str(platform.subscriptions.get(name)["state"])


def audited(platform: FakePlatform) -> list[str]:
    return [row["action"] for row in platform.audit.rows]


def test_pause_with_a_reason_and_resume(operator: FlaskClient, platform: FakePlatform) -> None:
    page = send(operator, f"{CHARGE}/pause", reason="provider is down")
    assert "is paused. Its events wait" in page
    assert "Paused by operator" in page
    assert "provider is down" in page
    assert state(platform) == "paused"
    assert "goes on from where it stopped" in send(operator, f"{CHARGE}/resume")
    assert state(platform) == "healthy"


def test_the_overview_shows_what_was_just_changed(operator: FlaskClient) -> None:
    assert "charge is failing" in operator.get("/").text
    assert "charge is failing" not in send(operator, f"{CHARGE}/pause", back="/")


def test_another_process_shows_what_was_just_changed_as_well(
    operator: FlaskClient, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.console.recent.KEPT", 60.0)
    other = create_app(platform).test_client()

    def overview() -> str:
        for cookie in operator._cookies.values():
            other.set_cookie(cookie.key, cookie.value)
        return other.get("/").text

    assert "charge is failing" in overview()
    form = {"csrf_token": token(operator), "back": "/"}
    assert operator.post(f"{CHARGE}/pause", data=form).status_code == 303
    page = overview()
    assert "is paused. Its events wait" in page and "charge is failing" not in page


def test_pausing_twice_says_who_was_faster(operator: FlaskClient) -> None:
    send(operator, f"{CHARGE}/pause")
    page = send(operator, f"{CHARGE}/pause")
    assert "paused already, by user:operator" in page
    assert 'class="flash is-error"' in page


def test_a_form_without_its_token_changes_nothing(
    operator: FlaskClient, platform: FakePlatform
) -> None:
    assert operator.post(f"{CHARGE}/pause", data={"reason": "x"}).status_code == 400
    assert state(platform) == "failing"


def test_a_viewer_may_not(sign_in: Any, platform: FakePlatform) -> None:
    viewer = sign_in("viewer")
    form = {"csrf_token": token(viewer)}
    for path in (f"{CHARGE}/pause", f"{CHARGE}/rewind", "/replays", "/failures/discard",
                 "/models/digits/rollback", "/datasets", "/people", "/tokens"):  # fmt: skip
        assert viewer.post(path, data=form).status_code == 403, path
    assert state(platform) == "failing"


def test_a_setting_is_changed_and_shown_beside_what_the_code_says(
    operator: FlaskClient, platform: FakePlatform
) -> None:
    page = send(operator, "/subscriptions/workers.handlers.validate/change", attempts="9",
                timeout="30")  # fmt: skip
    assert "retry 9 attempts" in page
    assert "survives deploys" in page
    changed = platform.subscriptions.get("workers.handlers.validate")["changed"]
    assert changed["retry"]["now"]["attempts"] == 9
    assert changed["timeout"] == {"code": 60.0, "now": 30.0}
    assert page.count('<span class="badge">changed</span>') == 2


def test_priority_filter_and_rate_are_changed_in_the_same_form(
    operator: FlaskClient, platform: Any
) -> None:
    path = "/subscriptions/workers.handlers.validate/change"
    send(operator, path, priority="low", rate="50", filter="event.data.rows > 10", lane="default")
    changed = platform.subscriptions.get("workers.handlers.validate")["changed"]
    assert {name: told["now"] for name, told in changed.items()} == {
        "priority": "low", "rate": 50.0, "filter": {"cel": "event.data.rows > 10"},
    }  # fmt: skip
    send(operator, path, filter='{"prefix": {"subject": "a/"}}')
    changed = platform.subscriptions.get("workers.handlers.validate")["changed"]
    assert changed["filter"]["now"] == {"prefix": {"subject": "a/"}}
    assert "is no number" in send(operator, path, rate="fast")


def test_a_change_to_the_same_changes_nothing(operator: FlaskClient) -> None:
    path = "/subscriptions/workers.handlers.validate/change"
    assert "nothing was changed" in send(operator, path, attempts="5", timeout="60.0")
    assert "whole number" in send(operator, path, attempts="many", back="/")


def test_a_rewind_is_confirmed_in_words(operator: FlaskClient, platform: FakePlatform) -> None:
    page = operator.get(f"{CHARGE}/rewind?to=1h").text
    again = re.search(r"<strong>([\d,]+) events</strong>", page)
    assert again
    assert int(again[1].replace(",", "")) > 0
    to = re.search(r'name="to" value="([^"]+)"', page)
    assert to
    refused = send(operator, f"{CHARGE}/rewind", to=to[1], back=CHARGE)
    assert "was not rewound" in refused
    assert "subscription.rewound" not in audited(platform)
    assert "goes on from" in send(operator, f"{CHARGE}/rewind", to=to[1], sure="yes")
    assert "subscription.rewound" in audited(platform)


def test_a_group_is_previewed_and_replayed(operator: FlaskClient, platform: FakePlatform) -> None:
    group = platform.data["groups"][0]
    page = operator.get(
        f"/replays/new?scope=group&group={group['id']}&canary=10&rate=20&stop=5"
    ).text
    assert f"Replay {group['count']} events?" in page
    assert "Send 10 events as a trial" in page
    assert "shop.handlers.charge is failing now" in page
    assert len(platform.data["replays"]) == 2
    form = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.split("<main")[1]))
    page = send(operator, "/replays", **{**form, "csrf_token": token(operator), "reason": "back"})
    replay = platform.data["replays"][0]
    assert replay["selection"] == {"group": group["id"]}
    assert replay["options"] == {"canary": 10, "rate": 20.0, "stop_above": 0.05, "reason": "back"}
    assert "The replay has started" in page


def test_nothing_ticked_leads_back_to_where_one_was(operator: FlaskClient) -> None:
    page = operator.get("/replays/new?scope=selected&q=currency", follow_redirects=True)
    assert "Nothing was ticked" in page.text
    assert 'value="currency"' in page.text


def test_one_letter_is_sent_again_with_edited_data(
    operator: FlaskClient, platform: FakePlatform
) -> None:
    id = platform.data["letters"][0]["id"]
    assert "That is not JSON" in send(operator, f"/failures/{id}/edit", data="{", back="/failures")
    send(operator, f"/failures/{id}/edit", data='{"currency": "EUR"}')
    edits = platform.data["replays"][0]["options"]["edits"]
    assert edits == {id: [{"op": "add", "path": "/data", "value": {"currency": "EUR"}}]}


def test_discarding_needs_a_reason(operator: FlaskClient, platform: FakePlatform) -> None:
    group = platform.data["groups"][1]["id"]
    fields = {"scope": "group", "group": group, "back": "/failures"}
    assert "say why" in send(operator, "/failures/discard", **fields)
    assert platform.dead_letters.find(group=group).items
    page = send(operator, "/failures/discard", **fields, reason="test data")
    assert "7 dead letters discarded" in page
    assert not platform.dead_letters.find(group=group).items


def test_a_replay_is_paused_resumed_and_cancelled(operator: FlaskClient) -> None:
    path = "/replays/rp000002"
    assert "The replay is paused" in send(operator, f"{path}/pause")
    assert "The replay goes on" in send(operator, f"{path}/resume")
    assert "cancelled" in send(operator, f"{path}/cancel")
    assert "can&#39;t become" in send(operator, f"{path}/resume")


def test_a_table_is_uploaded(operator: FlaskClient, platform: FakePlatform) -> None:
    form = {
        "csrf_token": token(operator), "name": "churn", "target": "left", "task": "",
        "header": "true", "file": (io.BytesIO(b"a,left\n1,0\n"), "churn.csv"),
        "evaluation": (io.BytesIO(b""), ""),
    }  # fmt: skip
    answer = operator.post("/datasets", data=form)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/datasets/churn?run=")
    sent = platform.datasets.uploads[0]
    assert sent["bytes"] == b"a,left\n1,0\n"
    assert (sent["target"], sent["header"], sent["evaluation"]) == ("left", True, None)
    assert sent["actor"] == "user:operator"


def test_an_upload_without_a_file_says_so(operator: FlaskClient) -> None:
    page = send(operator, "/datasets", name="x", target="y", back="/datasets")
    assert "Choose a file" in page


def test_rejected_rows_are_a_download(operator: FlaskClient) -> None:
    answer = operator.get("/datasets/digits/1/rejected.csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="digits-1-rejected.csv"'
    assert answer.text.startswith("row,reason,digit")


def test_approve_and_reject_what_waits(operator: FlaskClient, platform: FakePlatform) -> None:
    platform.data["models"][0]["versions"][0]["state"] = "waiting"
    name = platform.data["models"][0]["name"]
    number = platform.data["models"][0]["versions"][0]["version"]
    page = operator.get(f"/models/{name}").text
    assert "waits for your decision" in page
    assert "Precision and recall" in page
    path = f"/models/{name}/versions/{number}"
    assert "is rejected" in send(operator, f"{path}/reject", reason="too few rows")
    assert "wait for a decision" in html.unescape(send(operator, f"{path}/approve", reason="late"))


def test_promote_and_roll_back(operator: FlaskClient, platform: FakePlatform) -> None:
    assert "Version 1 of digits is the champion now" in send(
        operator, "/models/digits/versions/1/promote", reason="3 drifts"
    )
    assert platform.models.get("digits")["champion"] == 1
    assert "no earlier champion" in send(operator, "/models/digits/rollback")


def test_people_are_added_shown_their_password_once_and_changed(
    admin: FlaskClient, platform: FakePlatform
) -> None:
    page = send(admin, "/people", name="ada", role="operator")
    password = re.search(r'<pre class="code">([^<]+)</pre>', page)
    assert password
    assert platform.users.verify("ada", password[1]).role == "operator"  # type: ignore[union-attr]
    assert password[1] not in admin.get("/people").text
    assert "ada is viewer now" in send(admin, "/people/ada/role", role="viewer")
    assert "password of ada" in send(admin, "/people/ada/password")
    assert platform.users.verify("ada", password[1]) is None
    assert {"user.created", "user.role-changed", "user.password-reset"} <= set(audited(platform))


def test_nobody_takes_the_last_role_from_themselves(
    admin: FlaskClient, platform: FakePlatform
) -> None:
    page = send(admin, "/people/admin/role", role="viewer", back="/people")
    assert "ask another one" in page
    assert platform.users.get("admin").role == "administrator"  # type: ignore[union-attr]


def test_a_tokens_secret_is_shown_once(admin: FlaskClient, platform: FakePlatform) -> None:
    page = send(admin, "/tokens", name="ci", scope="publish", days="30")
    secret = re.search(r'<pre class="code">([^<]+)</pre>', page)
    assert secret
    made = platform.tokens.verify(secret[1])
    assert made
    assert made.scopes == ["publish"]
    assert secret[1] not in admin.get("/tokens").text
    assert "revoked" in send(admin, f"/tokens/{made.id}/revoke")
    assert platform.tokens.verify(secret[1]) is None


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_a_form_leads_nowhere_else(operator: FlaskClient, path: str) -> None:
    form = {"csrf_token": token(operator), "theme": "dark", "back": path}
    answer = operator.post("/theme", data=form)
    assert answer.headers["Location"] == "/"
    assert "theme=dark" in answer.headers["Set-Cookie"]
    assert 'data-theme="dark"' in operator.get("/").text


def test_a_filter_is_tried_before_it_is_saved(operator: FlaskClient) -> None:
    page = send(operator, f"{CHARGE}/try-filter", filter='{"exact": {"data.currency": "none"}}')
    assert "It would let nothing through" in page
    assert "Save this filter" in page
    assert "is no" in send(operator, f"{CHARGE}/try-filter", filter="{nonsense")


def test_a_replay_that_is_prepared_can_be_cancelled_and_not_paused(
    operator: FlaskClient, platform: FakePlatform
) -> None:
    replay = platform.data["replays"][0]
    replay |= {"state": "preparing", "total": 9000, "pending": 2000, "succeeded": 0, "failed": 0}
    page = operator.get(f"/replays/{replay['id']}").text
    assert '<progress max="9000" value="2000" aria-label="2000 of 9000 listed">' in page
    assert f'action="/replays/{replay["id"]}/cancel"' in page
    assert f'action="/replays/{replay["id"]}/pause"' not in page
    assert 'aria-label="2000 listed"' in operator.get("/replays").text
    replay |= {"total": 0}
    assert "not known yet" in operator.get(f"/replays/{replay['id']}").text
