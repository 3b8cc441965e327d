"""Take the pictures of the console in docs/images, of invented data, with the system's Chromium.

    .venv/bin/python -m scripts.screenshots [FOLDER]

The data is that of the tests' fake platform, with an hour that looks like one:
traffic that wanders, and a payment provider that went away a while ago.
"""

from __future__ import annotations

import math
import random
import sys
import threading
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import make_server

from tests.console.browser import FLAGS, chromium, sign_in
from tests.web.fake_data import at
from tests.web.fakes import FakePlatform
from web import create_app

WIDE = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
FAILING_FOR = 16
# Of the whole traffic, how much each subscription has.
SHARES = {
    "shop.handlers.charge": 0.48, "shop.handlers.reserve": 0.48, "shop.handlers.profile": 0.9,
    "shop.handlers.notify": 0.0, "workers.handlers.score": 0.35,
}  # fmt: skip


def hour(since: Any, step: float, subscription: str | None = None) -> list[dict[str, Any]]:
    """An hour of a subscription, minute by minute, or of all of them."""
    share = 1.0 if subscription is None else SHARES.get(subscription, 0.004)
    noise, trouble = random.Random(subscription or "all"), random.Random("trouble")
    troubled = subscription in (None, "shop.handlers.charge")
    rows = []
    for minute in range(60):
        wave = 520 + 60 * math.sin(minute / 9) + noise.uniform(-28, 28)
        arrived = round(wave * share)
        late = max(0, minute - 60 + FAILING_FOR)
        parked = trouble.randrange(0, 2) + (1 if late else 0) if troubled else 0
        retried = (
            trouble.randrange(0, 3) + (trouble.randrange(18, 32) if late else 0) if troubled else 0
        )
        waited = 0.08 + noise.uniform(0, 0.04) + late * 0.11 * (1 if troubled else 0.05)
        done = max(0, round(arrived * (0.93 if late and troubled else 1)) - retried - parked)
        rows.append(
            {
                "at": at((60 - minute) * 60), "in": arrived, "done": done,
                "failed": parked + retried, "retried": retried, "parked": parked,
                "waited": waited, "worked": 0.05 + noise.uniform(0, 0.015),
            }
        )  # fmt: skip
    return rows


def pages(platform: FakePlatform) -> dict[str, str]:
    """The pictures by name, and what they show."""
    data = platform.data
    failed = next(r for r in data["runs"] if r["state"] == "failed" and r["type"] == "order.placed")
    done = next(r for r in data["runs"] if r["outcome"] == "deployment.finished")
    return {
        "overview": "/",
        "failures": f"/failures?group={data['groups'][0]['id']}",
        "run": f"/runs/{done['correlationid']}",
        "failed-run": f"/runs/{failed['correlationid']}",
        "subscription": "/subscriptions/shop.handlers.charge",
        "dataset": "/datasets/digits",
        "model": "/models/digits",
    }


def take(browser: Browser, server: str, platform: FakePlatform, folder: Path) -> list[Path]:
    """All pictures: each page in both themes, and the overview on a phone."""
    taken = []
    shown = pages(platform)
    for theme, size, names in (
        ("light", WIDE, shown),
        ("dark", WIDE, ["overview", "failures"]),
        ("light", PHONE, ["overview"]),
    ):
        context = browser.new_context(
            viewport=size, color_scheme=theme, timezone_id="UTC",  # type: ignore[arg-type]
        )  # fmt: skip
        page = context.new_page()
        sign_in(page, server)
        for name in names:
            suffix = "phone" if size is PHONE else theme
            taken.append(
                picture(page, server + shown[name], folder / f"console-{name}-{suffix}.png")
            )
        context.close()
    return taken


def picture(page: Page, address: str, file: Path) -> Path:
    """One page, no longer than two screens: a picture is there to be looked at."""
    page.goto(address)
    page.get_by_text("Live", exact=True).wait_for()
    size = page.viewport_size or WIDE  # type: ignore[assignment]
    tall = min(page.evaluate("document.documentElement.scrollHeight"), size["height"] * 2)
    clip = {"x": 0, "y": 0, "width": size["width"], "height": tall}
    page.screenshot(path=file, full_page=True, clip=clip)  # type: ignore[arg-type]
    return file


def main(folder: Path) -> None:
    platform = FakePlatform()
    platform.rollups.series = hour  # type: ignore[method-assign,assignment]
    server = make_server("127.0.0.1", 0, create_app(platform), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    executable = chromium()
    if executable is None:
        sys.exit("No Chromium here: `apt-get install chromium`, or name one in CHROMIUM.")
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        for file in take(browser, f"http://127.0.0.1:{server.server_port}", platform, folder):
            print(file)
        browser.close()
    server.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images"))
