"""Live events in Chromium: what comes appears, pauses and goes on, stays small, and stays text."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.console.browser import let_in, signed_in
from tests.web.fakes import FakePlatform
from web import tailing

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Page]:
    with signed_in(browser, server, 390, 844, "viewer") as page:
        yield page


def publish(platform: FakePlatform, *ids: str, type: str = "parcel.sent") -> None:
    platform.publisher.publish([
        {"id": id, "source": "s", "type": type, "time": "2026-01-31T12:00:00Z",
         "data": {"n": i, "<img src=x onerror=alert(1)>": "</script>"}}
        for i, id in enumerate(ids)
    ])  # fmt: skip


def test_what_comes_appears_and_a_pause_loses_nothing(
    page: Page, server: str, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.goto(f"{server}/tail?type=parcel.sent")
    status = page.get_by_role("status").filter(has_text="shown")
    expect(status).to_contain_text("Following")
    rows = page.locator("[data-tail] tbody tr")
    expect(page.get_by_text("None yet")).to_be_visible()

    odd = "a/b?c#d%'\"<b>ü"
    publish(platform, odd, "2", "3")
    publish(platform, "4", type="letter.sent")
    expect(rows).to_have_count(3)
    expect(rows.last).to_contain_text("<img src=x onerror")
    expect(page.get_by_text("None yet")).to_be_hidden()

    page.get_by_role("button", name="Pause", exact=True).click()
    publish(platform, "5", "6")
    expect(status).to_contain_text("Paused")
    page.get_by_role("button", name="Go on").click()
    expect(rows).to_have_count(5)
    expect(rows.first).to_contain_text("parcel.sent")

    monkeypatch.setattr(tailing, "BURST", 250)
    page.reload()
    expect(status).to_contain_text("5 shown. Following")
    publish(platform, *(f"m{n}" for n in range(400)))
    expect(rows).to_have_count(200)  # the page stays small
    expect(status).to_contain_text("more came faster than this page shows them")

    publish(platform, odd + "2")
    page.goto(f"{server}/tail?expression=data.n+%3D%3D+0+%26%26+event.id.startsWith('a')")
    expect(rows).to_have_count(2)
    rows.first.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("parcel.sent")


def test_without_scripts_it_is_loaded_again(
    browser: Browser, server: str, platform: FakePlatform
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    let_in(page, server, "viewer")
    page.goto(f"{server}/tail?type=parcel.sent")
    expect(page.get_by_text("None yet")).to_be_visible()
    publish(platform, "1")
    page.get_by_role("link", name="Load again").click()
    expect(page.locator("[data-tail] tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Search the archive").click()
    assert page.url == f"{server}/events?type=parcel.sent"
    context.close()
