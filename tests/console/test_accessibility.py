"""The pages without a name in their address by WCAG 2.2 AA: axe in Chromium, wide and light, on a
phone and dark; and zoomed to 200 %.

Each page is loaded once. What axe can't see is asked
directly: that nothing is cut off or wider than its window, and that a thumb can hit what is there.
"""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

from tests.console.browser import sign_in, watched
from tests.console.test_pages import plain_pages

pytestmark = pytest.mark.browser

WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
ZOOMED = {"width": 640, "height": 512}  # what is left of 1280 by 1024 at 200 %
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AXE = """(rules) => axe.run({runOnly: rules, resultTypes: ['violations']}).then(found =>
  found.violations.flatMap(v => v.nodes.map(n => v.id + ': ' + n.html.slice(0, 160)
    + ' (' + n.failureSummary.split('\\n').slice(1).join(';').slice(0, 240) + ')')))"""
ALL = {"type": "tag", "values": RULES}

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
SMALL_TARGETS = """() => [...document.querySelectorAll('.button, .bare, select, .input')]
  .filter(e => e.checkVisibility() && e.getBoundingClientRect().height < 43)
  .map(e => e.outerHTML.slice(0, 120))"""


@pytest.fixture
def complaints() -> list[str]:
    return []


@pytest.fixture
def context(browser: Browser) -> Any:
    context = browser.new_context(viewport=WIDE, reduced_motion="reduce")  # type: ignore[arg-type]
    context.set_default_timeout(20_000)
    yield context
    context.close()


def look(page: Page, size: dict[str, int], theme: Any, rules: dict[str, Any] | None) -> list[str]:
    page.set_viewport_size(size)  # type: ignore[arg-type]
    page.emulate_media(color_scheme=theme)
    broken = page.evaluate(AXE, rules) if rules else []
    found = [f"{theme} {size['width']}: {each}" for each in broken]
    wider = page.evaluate(WIDER)
    if wider > 0:
        found.append(f"{size['width']}: {wider} pixels wider than its window")
    return found + [f"{size['width']}: cut off: {each}" for each in page.evaluate(CUT)]


def faults(page: Page) -> list[str]:
    """What is wrong with the page that is shown."""
    page.evaluate(Axe().axe_script)
    found = look(page, WIDE, "light", ALL)
    found += look(page, ZOOMED, "light", None)
    found += look(page, PHONE, "dark", ALL)
    found += [f"too small for a thumb: {each}" for each in page.evaluate(SMALL_TARGETS)]
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    return found


@pytest.mark.timeout(600)
def test_every_plain_page_is_accessible(
    context: BrowserContext, server: str, complaints: list[str]
) -> None:
    page = watched(context, complaints)
    page.goto(f"{server}/sign-in")
    found = [f"/sign-in {each}" for each in faults(page)]
    sign_in(page, server)
    for path in plain_pages():
        page.goto(f"{server}{path}")
        found += [f"{path} {each}" for each in faults(page)]
    assert not found, "\n".join(found)
    assert complaints == []
