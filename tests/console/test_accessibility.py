"""Every kind of page by WCAG 2.2 AA: axe in Chromium, wide and light, on a phone and dark; and
zoomed to 200 %.

Each page is loaded once. What axe can't see is asked directly: that nothing is cut off or wider than
its window, that what a button opens is on the screen, and that a thumb can hit what is there.
Of rows that are alike axe sees the first few.
"""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from tests.console.browser import sign_in, watched
from tests.console.test_pages import every_page
from tests.web.fakes import FakePlatform

pytestmark = pytest.mark.browser

WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
MIDDLE = {"width": 761, "height": 900}  # the narrowest that shows a table as one
ZOOMED = {"width": 640, "height": 512}  # what is left of 1280 by 1024 at 200 %
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AXE = """([where, rules]) => axe.run(where, {runOnly: rules, resultTypes: ['violations']}).then(found =>
  found.violations.flatMap(v => v.nodes.map(n => v.id + ': ' + n.html.slice(0, 160)
    + ' (' + n.failureSummary.split('\\n').slice(1).join(';').slice(0, 240) + ')')))"""
ALL = {"type": "tag", "values": RULES}
# What another size or theme can change of a page that all the rules were asked about.
BY_STYLE = {
    "type": "rule",
    "values": ["color-contrast", "target-size", "scrollable-region-focusable"],
}
THIN = """() => { for (const rows of document.querySelectorAll('tbody, ol, ul'))
  [...rows.children].slice(4).forEach(each => each.remove()); }"""
# The drawings of all icons and the closed dialogs are most of a small page, and axe reads them each time.
SHARED = (
    "() => document.querySelectorAll('body > svg, body > dialog').forEach(each => each.remove())"
)

# A time of another day is longer than one of today. The pages are seen from tomorrow, whatever the
# hour is now, so that all of them are long; how long ago something was stays true.
TOMORROW = """window.Date = class extends Date {
  constructor(...given) { given.length ? super(...given) : super(Date.now() + 86400000); } }"""
WIDER = "document.documentElement.scrollWidth - innerWidth"
# What begins or ends outside of the window, and in nothing that can be scrolled to it.
CUT = """() => [...document.querySelectorAll('main *, header *')]
  .filter(e => e.checkVisibility({visibilityProperty: true}) && !e.closest('svg, .vh, .skip'))
  .filter(e => { const box = e.getBoundingClientRect();
    if (!box.width || (box.right <= innerWidth + 1 && box.left >= -1)) return false;
    for (let p = e; p; p = p.parentElement)
      if (['auto', 'scroll', 'hidden', 'clip'].includes(getComputedStyle(p).overflowX)) return false;
    return true; })
  .map(e => e.outerHTML.slice(0, 120))"""
OFF_SCREEN = """() => [...document.querySelectorAll('details.drop')].flatMap(menu => {
  const was = menu.open;
  menu.open = true;
  const place = menu.querySelector('.panel').getBoundingClientRect();
  menu.open = was;
  return place.left < 0 || place.right > innerWidth ? [menu.textContent.slice(0, 40)] : [];
})"""
SMALL_TARGETS = """() => [...document.querySelectorAll('.button, .bare, select, .input')]
  .filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 43)
  .map(e => e.outerHTML.slice(0, 120))"""


@pytest.fixture
def complaints() -> list[str]:
    return []


@pytest.fixture
def context(browser: Browser) -> Any:
    context = browser.new_context(viewport=WIDE, reduced_motion="reduce")  # type: ignore[arg-type]
    context.add_init_script(TOMORROW)
    context.set_default_timeout(20_000)
    yield context
    context.close()


def show(page: Page, size: dict[str, int], theme: Any = "light") -> None:
    page.set_viewport_size(size)  # type: ignore[arg-type]
    page.emulate_media(color_scheme=theme)


def look(page: Page, size: dict[str, int], theme: Any = "light") -> list[str]:
    """What doesn't fit a window of this size, which it has from now on."""
    show(page, size, theme)
    found = [f"cut off: {each}" for each in page.evaluate(CUT)]
    found += [f"opens off the screen: {each}" for each in page.evaluate(OFF_SCREEN)]
    wider = page.evaluate(WIDER)
    if wider > 0:
        found.append(f"{wider} pixels wider than its window")
    return [f"{size['width']}: {each}" for each in found]


def faults(page: Page, where: str = "main") -> list[str]:
    """What is wrong with the page that is shown. What all pages share is looked at by axe once."""
    page.evaluate(Axe().axe_script)
    found = look(page, ZOOMED) + look(page, MIDDLE) + look(page, WIDE)
    found += look(page, PHONE, "dark")
    found += [f"too small for a thumb: {each}" for each in page.evaluate(SMALL_TARGETS)]
    page.evaluate(THIN)
    if where == "main":
        page.evaluate(SHARED)
    found += [f"dark: {each}" for each in page.evaluate(AXE, [where, BY_STYLE])]
    show(page, WIDE)
    return found + [f"light: {each}" for each in page.evaluate(AXE, [where, ALL])]


@pytest.mark.timeout(600)  # about 50 pages, in whatever time the machine has
def test_every_page_is_accessible(
    context: BrowserContext, server: str, platform: FakePlatform, complaints: list[str]
) -> None:
    platform.data["models"][0]["versions"][0]["state"] = "waiting"
    page = watched(context, complaints)
    page.goto(f"{server}/sign-in")
    found = [f"/sign-in {each}" for each in faults(page, "html")]
    sign_in(page, server)
    found += [f"/ {each}" for each in faults(page, "html")]
    for path in every_page(platform)[1:]:
        page.goto(f"{server}{path}")
        found += [f"{path} {each}" for each in faults(page)]
    assert not found, "\n".join(found)
    assert complaints == []
