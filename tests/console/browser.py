"""Chromium for tests, and what is watched on every page: its console, its policy, its layout."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


def chromium() -> str | None:
    """The path of the system's Chromium, or of the one that CHROMIUM names."""
    found = (shutil.which(name) for name in NAMES)
    return os.environ.get("CHROMIUM") or next((path for path in found if path), None)


def launch() -> Iterator[Browser]:
    """A browser; where there is none a test is skipped, and fails where CI=true."""
    path = chromium()
    if path is None:
        message = "no Chromium here: `apt-get install chromium`, or name one in CHROMIUM"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def watched(context: BrowserContext, complaints: list[str]) -> Page:
    """A page that writes down errors of scripts, of the console, and of the policy."""
    page = context.new_page()

    def heard(message: Any) -> None:
        if message.type in ("error", "warning"):
            complaints.append(f"{page.url}: {message.text}")

    page.on("console", heard)
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
    page.add_init_script(
        "addEventListener('securitypolicyviolation', e =>"
        " console.error('policy: ' + e.violatedDirective + ' ' + e.blockedURI))"
    )
    return page


def sign_in(page: Page, server: str, name: str = "admin") -> None:
    """As a person does, from the form to the overview."""
    page.goto(f"{server}/sign-in")
    page.get_by_label("User").fill(name)
    page.get_by_label("Password").fill(f"{name}-password")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{server}/")


def let_in(page: Page, server: str, name: str = "admin") -> None:
    """The same without drawing the two pages, which takes a second of CPU."""
    web = page.context.request
    token = re.search(r'name="csrf_token" value="([^"]+)"', web.get(f"{server}/sign-in").text())
    assert token, "the page has no form"
    form = {"username": name, "password": f"{name}-password", "csrf_token": token[1]}
    answer = web.post(f"{server}/sign-in", form=form, max_redirects=0)  # type: ignore[arg-type]
    assert answer.headers["location"] == "/", answer.text()


@contextmanager
def signed_in(
    browser: Browser, server: str, width: int, height: int, name: str = "admin"
) -> Iterator[Page]:
    """A window of this size, empty yet, of somebody who is let in; no page in it may complain."""
    context = browser.new_context(viewport={"width": width, "height": height})
    context.set_default_timeout(20_000)
    complaints: list[str] = []
    page = watched(context, complaints)
    let_in(page, server, name)
    yield page
    context.close()
    assert complaints == []
