"""Webhooks and deletions by forms: the secret once, what is lost before it is, and by role."""

from __future__ import annotations

from flask.testing import FlaskClient

from tests.console.conftest import send
from tests.console.test_pages import checked
from tests.web.fake_webhooks import SECRET
from tests.web.fakes import FakePlatform

HOOK = "https://crm.example.com/hooks/s3cret"
GIVEN = {"name": "crm.new", "url": "https://example.com/h", "types": "order.placed, order.sent"}


def test_a_webhook_is_made_changed_and_its_secret_shown_once(
    admin: FlaskClient, platform: FakePlatform
) -> None:
    page = send(admin, "/webhooks", **GIVEN, filter="data.amount > 100", start="now")
    assert SECRET in page
    made = platform.webhooks.get("crm.new")
    assert made["types"] == ["order.placed", "order.sent"]
    assert made["filter"] == {"cel": "data.amount > 100"}
    shown = checked(admin, "/subscriptions/crm.new")
    assert SECRET not in shown and "https://example.com/h" in shown
    send(admin, "/webhooks/crm.new/change", url="https://example.com/v2", types="order.sent")
    assert platform.webhooks.get("crm.new")["webhook"]["url"] == "https://example.com/v2"
    assert SECRET in send(admin, "/webhooks/crm.new/secret")


def test_what_was_written_stays_where_it_is_refused(admin: FlaskClient) -> None:
    for wrong, word in ((GIVEN | {"url": "https://10.0.0.1/"}, "not an address of the outside"),
                        (GIVEN | {"name": "crm.orders"}, "choose another name"),
                        (GIVEN | {"filter": "{"}, "no JSON")):  # fmt: skip
        page = send(admin, "/webhooks", **wrong)
        assert word in page
        assert "order.placed, order.sent" in page


def test_a_deletion_says_what_is_lost_and_asks(
    operator: FlaskClient, platform: FakePlatform
) -> None:
    page = checked(operator, "/subscriptions/old.handlers.mail/delete")
    assert "<dd>12</dd>" in page.replace("\n", "")
    assert "tick the sentence" in send(operator, "/subscriptions/old.handlers.mail/delete")
    assert "is deleted" in send(operator, "/subscriptions/old.handlers.mail/delete", sure="yes")
    assert operator.get("/subscriptions/old.handlers.mail").status_code == 404
    page = operator.get("/subscriptions/shop.handlers.charge/delete", follow_redirects=True).text
    assert "take its @on out first" in page
    assert "is deleted" in send(operator, "/subscriptions/crm.orders/delete", sure="yes")


def test_where_it_leads_is_for_operators_and_making_one_for_administrators(
    sign_in, operator: FlaskClient, platform: FakePlatform
) -> None:
    viewer = sign_in("viewer")
    for path in ("/subscriptions/crm.orders", "/api/v1/webhooks", "/api/v1/webhooks/crm.orders",
                 "/api/v1/subscriptions/crm.orders", "/api/v1/subscriptions"):  # fmt: skip
        assert "s3cret" not in viewer.get(path).text, path
        assert "s3cret" in operator.get(path).text, path
    assert viewer.get("/subscriptions/crm.orders/delete").status_code == 403
    assert operator.get("/webhooks/new").status_code == 403
    assert "Change its address" not in operator.get("/subscriptions/crm.orders").text


def test_by_the_api(admin: FlaskClient, platform: FakePlatform) -> None:
    from tests.web.fakes import API_TOKEN

    headers = {"Authorization": f"Bearer {API_TOKEN}"}
    body = {"name": "crm.api", "url": "https://example.com/h", "types": ["order.placed"]}
    made = admin.post("/api/v1/webhooks", json=body, headers=headers)
    assert (made.status_code, made.json) == (201, {"name": "crm.api", "secret": SECRET})
    assert admin.post("/api/v1/webhooks", json=body, headers=headers).status_code == 409
    path = "/api/v1/subscriptions/crm.api"
    assert admin.delete(f"{path}?dry_run=1", headers=headers).json["webhook"] is True
    assert admin.get(path, headers=headers).status_code == 200
    assert admin.delete(path, headers=headers).status_code == 200
    assert admin.get(path, headers=headers).status_code == 404
    assert (
        admin.delete("/api/v1/subscriptions/shop.handlers.charge", headers=headers).status_code
        == 409
    )
