"""The console with scripts off, on a phone: every page of the navigation, and the deeds that matter."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.console.browser import sign_in
from tests.console.test_pages import plain_pages
from tests.web.fakes import FakePlatform

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 844}


@pytest.mark.timeout(180)
def test_everything_is_there_and_can_be_done_without_scripts(
    browser: Browser, server: str, platform: FakePlatform
) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=PHONE)  # type: ignore[arg-type]
    context.set_default_timeout(20_000)
    page = context.new_page()
    sign_in(page, server)
    done = page.get_by_role("status").filter(has_not_text="Static")

    for link in page.get_by_role("navigation", name="Pages").get_by_role("link").all():
        assert (link.get_attribute("href") or "") in plain_pages()
    for path in plain_pages():
        page.goto(f"{server}{path}")
        expect(page.get_by_role("heading", level=1)).to_have_count(1)

    # Filter, and replay all of a group.
    page.goto(f"{server}/failures")
    page.locator("select[name=subscription]").select_option("shop.handlers.charge")
    page.get_by_role("button", name="Apply").click()
    assert "subscription=shop.handlers.charge" in page.url
    page.locator("a.group").first.click()
    expect(page.get_by_role("radio", name="All parked in this group")).to_be_checked()
    page.get_by_role("button", name="Check what would be sent").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Replay 24 events?")
    page.get_by_label("Reason").fill("no scripts here")
    page.get_by_role("button", name="Send 10 events as a trial").click()
    expect(done).to_contain_text("started")
    assert platform.data["replays"][0]["options"]["reason"] == "no scripts here"

    # Pause a subscription.
    page.goto(f"{server}/subscriptions/shop.handlers.charge")
    page.locator("summary", has_text="Pause").click()
    page.get_by_label("Reason").fill("no scripts here")
    page.get_by_role("button", name="Pause it").click()
    expect(page.get_by_text("Paused by admin")).to_be_visible()

    # Publish an event, from its form.
    page.goto(f"{server}/publish")
    page.get_by_label("Type").fill("note.written")
    page.get_by_role("button", name="Choose").click()
    page.get_by_label("Data, as JSON").fill('{"n": 1}')
    page.get_by_role("button", name="Publish it").click()
    expect(done).to_contain_text("note.written is published")

    # Approve a model.
    platform.data["models"][0]["versions"][0]["state"] = "waiting"
    name = platform.data["models"][0]["name"]
    page.goto(f"{server}/models/{name}")
    page.locator("summary", has_text=re.compile("^Approve$")).click()
    asked = page.locator("details[open]", has_text="Approve version")
    asked.get_by_label("Reason").fill("looks right")
    asked.get_by_role("button").click()
    expect(done).to_be_visible()
    assert [row["action"] for row in platform.audit.rows].count("model.approved") == 1

    # Find, and leave.
    page.locator("#find").fill("charge")
    page.locator("#find").press("Enter")
    page.get_by_role("link", name="shop.handlers.charge").click()
    page.wait_for_url(f"{server}/subscriptions/shop.handlers.charge")
    page.locator("summary.bare").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{server}/sign-in")
    context.close()
