"""The console in Chromium: what is live, what is left alone, the keyboard, the viewer's time and theme."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.console.browser import let_in, watched
from tests.web.fake_paging import Page as FakePage
from tests.web.fakes import FakePlatform

pytestmark = pytest.mark.browser

WIDE = {"width": 1440, "height": 900}


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """Errors that any page reported; a test fails that leaves some."""
    heard: list[str] = []
    yield heard
    assert heard == []


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport=WIDE, timezone_id="Asia/Kolkata")
    context.set_default_timeout(10_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, server: str, complaints: list[str]) -> Page:
    page = watched(context, complaints)
    let_in(page, server)
    return page


def test_times_are_the_viewers(page: Page, server: str, platform: FakePlatform) -> None:
    letter = platform.data["letters"][0]
    page.goto(f"{server}/failures/{letter['id']}")
    shown = page.locator(".facts time").first
    stamp = shown.get_attribute("datetime")
    expected = page.evaluate(
        "s => new Date(s).toLocaleTimeString([], {hour: '2-digit', minute: '2-digit',"
        " second: '2-digit', hour12: false})",
        stamp,
    )
    assert expected in (shown.text_content() or "")
    assert "GMT+5:30" in (shown.get_attribute("title") or "")


def test_a_change_elsewhere_appears_by_itself(
    page: Page, server: str, platform: FakePlatform
) -> None:
    page.goto(f"{server}/subscriptions/shop.handlers.charge")
    expect(page.locator("[data-live-state]")).to_have_text("Live")
    platform.subscriptions.pause("shop.handlers.charge", "user:ada", "mail is down")
    platform.changes.announce("subscriptions")
    expect(page.locator("#pause")).to_contain_text("Paused by ada")
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    platform.subscriptions.resume("shop.handlers.charge", "user:ada")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    expect(page.locator("#pause")).not_to_contain_text("Paused by ada")  # gone back to


def test_what_is_being_chosen_is_left_alone(
    page: Page, server: str, platform: FakePlatform
) -> None:
    page.goto(f"{server}/failures")
    expect(page.locator("[data-live-state]")).to_have_text("Live")
    page.locator("input[name=id]").first.check()
    chosen = page.locator("input[name=id]").first.get_attribute("value")
    before = page.locator("#letters tbody tr").count()
    for letter in platform.data["letters"][-30:]:
        letter["state"] = "discarded"
    with page.expect_response(lambda r: "x-fragment" in r.request.headers):
        platform.changes.announce("dead-letters")
    expect(page.locator("#lede")).not_to_contain_text("49 events")
    assert page.locator("#letters tbody tr").count() == before
    assert page.locator(f"input[value='{chosen}']").is_checked()


def test_a_lost_connection_is_said_and_paused_on_request(
    page: Page, server: str, context: BrowserContext, complaints: list[str]
) -> None:
    page.goto(f"{server}/runs")
    light = page.locator("[data-live-state]")
    expect(light).to_have_text("Live")
    page.get_by_role("button", name="Pause live updates").click()
    expect(light).to_have_text("Paused")
    page.get_by_role("button", name="Resume live updates").click()
    expect(light).to_have_text("Live")
    page.get_by_role("button", name="Pause live updates").click()
    context.route("**/live", lambda route: route.abort())
    page.get_by_role("button", name="Resume live updates").click()
    expect(page.get_by_text("Live updates stopped; reconnecting")).to_be_visible()
    context.unroute("**/live")
    expect(light).to_have_text("Live", timeout=15_000)
    expect(page.get_by_text("Live updates stopped; reconnecting")).to_be_hidden()
    complaints[:] = [text for text in complaints if "ERR_FAILED" not in text]


def test_a_group_is_replayed_by_hand(page: Page, server: str, platform: FakePlatform) -> None:
    page.goto(server)
    page.get_by_role("link", name="See failures").click()
    expect(page.get_by_role("radio", name="All parked in this group")).to_be_checked()
    page.get_by_role("button", name="Check what would be sent").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Replay 24 events?")
    page.get_by_label("Reason").fill("provider is back")
    page.get_by_role("button", name="Send 10 events as a trial").click()
    expect(page.get_by_role("status").filter(has_text="started")).to_be_visible()
    assert platform.data["replays"][0]["options"]["canary"] == 10


def test_a_search_that_found_nothing_yet_goes_on_by_itself(
    page: Page, server: str, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = platform.dead_letters.find

    def find(*given: Any, **named: Any) -> FakePage:
        if named.get("q") != "needle":
            return whole(*given, **named)
        place = int(named["cursor"] or 0)
        return whole(limit=1) if place > 1 else FakePage([], str(place + 1))

    monkeypatch.setattr(platform.dead_letters, "find", find)
    page.goto(f"{server}/failures?q=needle")
    page.wait_for_url("**/failures?q=needle&cursor=2")
    expect(page.locator("#letters tbody tr")).to_have_count(1)


def test_all_of_a_page_are_ticked_at_once(page: Page, server: str) -> None:
    page.goto(f"{server}/failures")
    page.get_by_role("checkbox", name="Tick all on this page").check()
    boxes = page.locator("input[name=id]")
    assert boxes.count() == page.locator("input[name=id]:checked").count() > 1


def test_it_is_used_by_keyboard_alone(page: Page, server: str, platform: FakePlatform) -> None:
    page.goto(f"{server}/subscriptions/shop.handlers.charge")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    page.locator("summary", has_text="Pause").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("provider is down")
    page.keyboard.press("Enter")
    expect(page.locator("#pause")).to_contain_text("provider is down")
    assert platform.subscriptions.get("shop.handlers.charge")["paused"]["by"] == "user:admin"


def test_a_menu_closes_on_escape(page: Page, server: str) -> None:
    page.goto(f"{server}/people")
    you = page.get_by_label("You: admin")
    you.click()
    expect(page.get_by_role("link", name="Tokens")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Tokens")).to_be_hidden()


def test_a_slider_says_where_it_stands_before_it_is_sent(page: Page, server: str) -> None:
    page.goto(f"{server}/aggregates/lamp:1")
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("[data-chosen]")).to_have_text(": 2")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="What version 2 changed")).to_be_visible()
    page.keyboard.press("Tab")  # by keyboard one goes on where one was
    expect(page.get_by_role("slider")).to_be_focused()


def test_the_theme_is_kept(page: Page, server: str) -> None:
    page.goto(f"{server}/runs")
    page.get_by_role("button", name="Theme: auto").click()
    page.get_by_role("button", name="Theme: light").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.url == f"{server}/runs"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 18, 22)"


def test_reduced_motion_is_respected(page: Page, server: str) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.goto(server)
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.stream')).animationName") == "none"
    )
