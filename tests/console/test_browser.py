"""The console in Chromium: policy, layout on a phone, labels, contrast and live updates.

No accessibility checker is installed here; what matters most is asked directly.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.console.browser import sign_in, watched
from tests.console.test_pages import ADMINISTRATORS, PAGES, details, for_operators, poison
from tests.web.fakes import FakePlatform

pytestmark = pytest.mark.browser

WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


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
    sign_in(page, server)
    return page


def every(platform: FakePlatform) -> list[str]:
    return [*PAGES, *ADMINISTRATORS, *details(platform), *for_operators(platform)]


def pages_of(platform: FakePlatform) -> list[str]:
    """One address for each kind of page: its subscriptions and runs look alike."""
    seen: dict[str, str] = {}
    for path in every(platform):
        if not path.endswith("/raw"):
            parts = path.split("?")[0].split("/")
            seen.setdefault("/".join([*parts[:2], *parts[3:], str(len(parts))]), path)
    return list(seen.values())


UNNAMED = """() => [...document.querySelectorAll('a, button, input, select, textarea, summary')]
  .filter(e => e.checkVisibility() && e.type !== 'hidden')
  .filter(e => !(e.getAttribute('aria-label') || e.textContent.trim()
    || [...(e.labels || [])].some(l => l.textContent.trim())))
  .map(e => e.outerHTML.slice(0, 120))"""

SMALL_TARGETS = """() => [...document.querySelectorAll('.button, .bare, select, .input')]
  .filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 43)
  .map(e => e.outerHTML.slice(0, 120))"""

# WCAG 2: 4.5 to 1 for text. Only plain colours are used, so the nearest background is the one.
FAINT = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = (colour) => { const [r, g, b] = colour.map(v => { v /= 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (element) => { for (let e = element; e; e = e.parentElement) {
    const colour = rgba(getComputedStyle(e).backgroundColor); if (colour[3] > 250) return colour; }
    return [255, 255, 255, 255]; };
  const faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility()
        || element.closest('script, style, .vh, svg')) continue;
    const one = light(rgba(getComputedStyle(element).color)), two = light(behind(element));
    const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (ratio < 4.5) faint.push(ratio.toFixed(2) + ' ' + element.className + ': '
      + walker.currentNode.textContent.trim().slice(0, 40));
  }
  return [...new Set(faint)];
}"""


def wider_than_its_screen(page: Page) -> int:
    """Pixels by which the page is wider than its window."""
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    return max(0, int(wide))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_readable_named_and_clean(
    page: Page, server: str, platform: FakePlatform, scheme: Any
) -> None:
    page.emulate_media(color_scheme=scheme)
    for path in pages_of(platform):
        page.goto(f"{server}{path}")
        assert page.evaluate(UNNAMED) == [], path
        assert page.evaluate(FAINT) == [], path
        assert wider_than_its_screen(page) == 0, path


def test_every_page_fits_a_phone_and_a_thumb(
    page: Page, server: str, platform: FakePlatform
) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    for path in pages_of(platform):
        page.goto(f"{server}{path}")
        assert wider_than_its_screen(page) == 0, path
        assert page.evaluate(SMALL_TARGETS) == [], path


OFF_SCREEN = """() => [...document.querySelectorAll('details.drop')].flatMap(menu => {
  menu.open = true;
  const place = menu.querySelector('.panel').getBoundingClientRect();
  menu.open = false;
  return place.left < 0 || place.right > innerWidth ? [menu.textContent.slice(0, 40)] : [];
})"""


@pytest.mark.parametrize("width", [1440, 760])
def test_what_a_button_opens_is_on_the_screen(
    page: Page, server: str, platform: FakePlatform, width: int
) -> None:
    platform.data["models"][0]["versions"][0]["state"] = "waiting"
    page.set_viewport_size({"width": width, "height": 900})
    for path in pages_of(platform):
        if path.count("/") > 1:
            page.goto(f"{server}{path}")
            assert page.evaluate(OFF_SCREEN) == [], path


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_hostile_text_does_not_break_a_page(
    page: Page, server: str, platform: FakePlatform, size: Any
) -> None:
    paths = pages_of(platform)
    poison(platform)
    page.set_viewport_size(size)
    page.on("dialog", lambda dialog: pytest.fail("a script of ours ran: " + dialog.message))
    for path in paths:
        page.goto(f"{server}{path}")
        assert wider_than_its_screen(page) == 0, path


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
    you = page.get_by_label("You: admin")
    you.click()
    expect(page.get_by_role("link", name="Tokens")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Tokens")).to_be_hidden()


def test_without_scripts_everything_is_there(
    browser: Browser, server: str, platform: FakePlatform
) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=PHONE)  # type: ignore[arg-type]
    page = context.new_page()
    sign_in(page, server)
    page.goto(f"{server}/subscriptions/shop.handlers.charge")
    page.locator("summary", has_text="Pause").click()
    page.get_by_label("Reason").fill("no scripts here")
    page.get_by_role("button", name="Pause it").click()
    expect(page.get_by_text("Paused by admin")).to_be_visible()
    expect(page.locator(".facts")).to_contain_text("Waiting")
    context.close()


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
