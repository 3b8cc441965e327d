"""Hostile words wherever somebody else writes: nothing runs, nothing breaks out, nothing is turned around.

On the real platform and in Chromium, on a phone. What producers, handlers, browsers and people can
say is a script, markup, an address, a formula, a mark that turns text, or just too long.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser

from app.bootstrap import Platform
from app.events.event import Event
from app.store import outbox
from config.settings import Settings
from tests.console.browser import signed_in
from tests.console.test_accessibility import CUT, WIDER
from tests.console.test_pages import plain_pages
from tests.web.real_data import GROUP, archived, opened, parked

pytestmark = pytest.mark.browser

IMAGE = "<img src=x onerror=alert(1)>"
WORDS = (
    f"<script>alert(1)</script>{IMAGE}\"'></textarea></title></script>"
    "{{ 7*7 }}{% raw %}${7*7}<%= 7*7 %>[a](javascript:alert(1))<a href=javascript:alert(1)>b</a>🦆"
)
FORMULA = "=HYPERLINK(\"http://x\",\"y\")"  # fmt: skip
LONG = "W" * 10_000
TURNED = "\u202eabc\u2066\u200b\u200d\ufeff"
LINES = "a\nb\r\n\tc\x00\x1b[31m\u2028d"
DATA = {
    WORDS: WORDS, LONG: LONG, TURNED: TURNED, "__proto__": {"toString": WORDS}, FORMULA: FORMULA,
    "javascript:alert(1)": ["javascript:alert(1)", LINES, {IMAGE: [[[[None]]]]}], "": "🦆" * 300,
}  # fmt: skip
ID = f"{IMAGE}/../a?b#c%2F&amp;'\"\\"
ESCAPED = """() => [...document.querySelectorAll('main *, header *, dialog *')].filter(e =>
    ['IMG', 'SCRIPT', 'IFRAME', 'OBJECT', 'STYLE'].includes(e.tagName)
    || [...e.attributes].some(a => a.name.startsWith('on') || a.name === 'style'
      || (['href', 'action', 'src', 'formaction'].includes(a.name) && /^\\s*(javascript|data):/i.test(a.value))))
  .map(e => e.outerHTML.slice(0, 120))"""


@pytest.fixture
def platform(redis_url: str, tmp_path: Path) -> Iterator[Platform]:
    settings = Settings(
        data_dir=tmp_path / "data", redis_url=redis_url, given_secret="signs the sessions of tests",
        database_url=f"sqlite:///{tmp_path}/penstock.db",
    )  # fmt: skip
    platform = opened(settings)
    platform.users.create("admin", "admin-password", "administrator")
    yield platform
    platform.close()


@pytest.fixture
def addresses(platform: Platform) -> list[str]:
    """Everything hostile said, and the pages that repeat it."""
    root = Event(
        type="order.hostile", id=ID, source=WORDS, subject=WORDS, partitionkey=IMAGE,
        correlationid=ID, datacontenttype=WORDS, dataschema="javascript:alert(1)",
        traceparent=WORDS, extensions={"comment": LINES, "link": "javascript:alert(1)"}, data=DATA,
    )  # fmt: skip
    long = Event(type="order." + "w" * 190, id=LONG, source=LONG, subject=LONG, partitionkey=LONG,
                 correlationid=ID, causationid=ID, data=LONG)  # fmt: skip
    formula = Event(
        type="order.placed",
        source="@SUM(1)",
        subject=FORMULA,
        data={"amount": 1, "customer": FORMULA},
    )
    archived(platform, root, long, formula)
    parked(platform, root, error=f"ValueError: {WORDS}{TURNED}{LINES}")
    parked(platform, formula, error=f"{IMAGE}: {LONG}", group="f" * 16)
    letter = next(e["id"] for e in platform.dead_letters.find(group=GROUP).items)
    person = f"user:{IMAGE}"
    platform.users.create(IMAGE, "a long enough password", "operator")
    platform.users.create(FORMULA, "a long enough password", "viewer")
    platform.sessions.begin(IMAGE, "127.0.0.1", WORDS + LONG)
    platform.tokens.create(IMAGE, ["read"], None, person)
    platform.subscriptions.pause("shop.charge", person, WORDS + TURNED)
    platform.failures.acknowledge(GROUP, person, WORDS + LINES)
    platform.failures.ignore("f" * 16, person, TURNED + FORMULA, None, 99)
    platform.failures.prepare_edit(
        letter, [{"op": "add", "path": "/data", "value": [DATA]}], person
    )
    with platform.database.session() as session:
        outbox.set_aside(session, root, f"{WORDS}{TURNED}{LINES}{LONG}")
        outbox.set_aside(session, long, LONG)
    platform.alerts.mute("late", person, platform.clock.now() + 60, note=WORDS)
    platform.webhooks.create("crm", f"https://crm.example.com/{quote(WORDS)}", ["order.placed"],
                             person, filter={"exact": {"subject": WORDS}})  # fmt: skip
    platform.audit.record(person, FORMULA, WORDS, {IMAGE: LINES}, {TURNED: LONG}, reason="+1+1")
    replay = platform.replays.start({"group": GROUP}, {"canary": 1, "reason": WORDS}, person)
    segments = [quote(one, safe="") for one in (ID, LONG)]
    asked = quote(WORDS)
    return [
        *plain_pages(),
        *(f"/events/{one}" for one in segments),
        f"/runs/{segments[0]}",
        f"/runs/{segments[0]}?step=1",
        "/topics/order",
        "/subscriptions/shop.charge",
        "/subscriptions/shop.charge/rewind?to=earliest",
        "/subscriptions/crm",
        f"/failures?life=acknowledged&group={GROUP}",
        f"/failures?life=ignored&group={'f' * 16}",
        f"/failures/{letter}",
        f"/replays/new?scope=filter&q={quote(FORMULA)}",
        f"/replays/{replay}",
        f"/search?q={asked}",
        f"/events?q={asked}&type={asked}&subject={asked}&key={asked}",
        f"/runs?q={asked}&key={asked}&type={asked}",
        f"/failures?q={asked}&subscription={asked}",
        f"/tail?type={asked}&subject={asked}",
        f"/audit?actor={asked}&action={asked}&target={asked}",
        f"/publish?type={asked}",
    ]


@pytest.mark.timeout(300)
def test_hostile_words_stay_words(
    browser: Browser, server: str, platform: Platform, addresses: list[str]
) -> None:
    wrong: list[str] = []
    with signed_in(browser, server, 390, 844) as page:
        page.on("dialog", lambda dialog: wrong.append(f"{page.url}: a script ran"))
        for path in addresses:
            answer = page.goto(f"{server}{path}")
            where = path[:80]
            if answer is None or answer.status != 200:
                wrong.append(f"{where}: {answer and answer.status}")
            wrong += [f"{where}: {each}" for each in page.evaluate(ESCAPED)]
            wrong += [f"{where}: cut off: {each}" for each in page.evaluate(CUT)]
            if page.evaluate(WIDER) > 0:
                wrong.append(f"{where}: {page.evaluate(WIDER)} pixels too wide")
            if "\u202e" in page.inner_text("body") or "\u2066" in page.inner_text("body"):
                wrong.append(f"{where}: the direction of our own text is turned")
        as_csv = page.request.get(f"{server}/audit/export/csv").text()
        as_json = page.request.get(f"{server}/audit/export/jsonl").text()
        raw = page.request.get(f"{server}/events/{quote(ID, safe='')}/raw")
        media, body = raw.headers["content-type"], raw.json()
    assert not wrong, "\n".join(wrong)
    cells = [cell for row in csv.reader(io.StringIO(as_csv)) for cell in row]
    assert f"'{FORMULA}" in cells
    assert [cell for cell in cells if cell[:1] in tuple("=+-@\t\r")] == []
    assert FORMULA in {json.loads(line)["action"] for line in as_json.strip().split("\n")}
    assert media.startswith("text/plain")
    assert body["data"] == json.loads(json.dumps(DATA))
