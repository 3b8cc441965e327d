"""The palette and the keys in Chromium: by keyboard alone, turned off on request, and not needed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.console.browser import let_in, signed_in
from tests.web.fakes import FakePlatform

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Page]:
    with signed_in(browser, server, 1440, 900) as page:
        page.goto(f"{server}/people")
        yield page


def test_anything_is_found_by_keyboard(page: Page, server: str, platform: FakePlatform) -> None:
    palette = page.get_by_role("dialog", name="Find anything")
    field = palette.get_by_role("combobox")
    letter = platform.data["letters"][0]

    page.keyboard.press("Control+k")
    page.keyboard.type("nothing of the kind")
    page.keyboard.press("Escape")
    expect(palette).to_be_hidden()
    page.keyboard.press("Control+k")
    expect(field).to_be_focused()
    expect(palette.get_by_role("option", name="Failures")).to_be_visible()
    page.keyboard.type(letter["id"][:10])
    expect(palette.get_by_role("option").first).to_contain_text("dead letter")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{server}/failures/{letter['id']}")

    # What the page offers to do is there too, and done by choosing it.
    page.goto(f"{server}/subscriptions/shop.handlers.charge")
    page.keyboard.press("Control+k")
    page.keyboard.type("paus")
    expect(palette.get_by_role("option", name="Pause action", exact=True)).to_be_visible()
    names = palette.get_by_role("option").all_text_contents()
    for _ in range(names.index("Pauseaction")):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(palette).to_be_hidden()
    expect(page.get_by_role("button", name="Pause it")).to_be_visible()

    # Words that are a script stay words.
    platform.data["events"][0] |= {"subject": "<img src=x onerror=alert(1)>", "id": "<b>'\"&/?#"}
    page.keyboard.press("Control+k")
    page.keyboard.type("<b>'")
    expect(palette.get_by_role("status")).to_have_text("1 found")
    expect(palette.get_by_role("option")).to_contain_text("<img src=x")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(platform.data["events"][0]["type"])


def test_single_keys_lead_to_pages_until_they_are_turned_off(page: Page, server: str) -> None:
    page.keyboard.press("g")
    page.keyboard.press("f")
    page.wait_for_url(f"{server}/failures")
    page.keyboard.press("/")
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.type("g?f")  # written, not done
    expect(page.locator("#find")).to_have_value("g?f")
    page.locator("#find").blur()
    page.keyboard.press("?")
    help = page.get_by_role("dialog", name="Keyboard")
    help.get_by_role("checkbox").uncheck()
    page.keyboard.press("Escape")
    for key in ("g", "f", "/", "?"):
        page.keyboard.press(key)
    expect(help).to_be_hidden()
    assert page.url == f"{server}/failures"
    expect(page.locator("#find")).not_to_be_focused()
    page.goto(f"{server}/runs")
    page.get_by_label("You: admin").click()
    page.get_by_role("button", name="Keyboard").click()
    expect(help.get_by_role("checkbox")).not_to_be_checked()


def test_without_scripts_the_field_finds(
    browser: Browser, server: str, platform: FakePlatform
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    let_in(page, server, "viewer")
    page.goto(server)
    page.locator("#find").fill("charge")
    page.locator("#find").press("Enter")
    page.get_by_role("link", name="shop.handlers.charge").click()
    page.wait_for_url(f"{server}/subscriptions/shop.handlers.charge")
    expect(page.get_by_role("dialog")).to_have_count(0)
    context.close()
