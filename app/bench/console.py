"""`bench console`: every page of the console and the API over a full database, and open consoles beside the API.

A real web process (the production server with its settings) answers one visitor over one
connection, so the times are those of the server and the loopback together. The reference
is the sign-in page, asked for in turns with the pages: a template and nothing to look up.
"""

from __future__ import annotations

import json
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import config
from app.bench.console_pages import addresses, routes
from app.bench.console_place import PASSWORD, VISITOR, Filled, filled
from app.bench.console_story import Sizes
from app.bench.machine import Machine
from app.bench.visitor import Visitor
from app.errors import Refused

GOAL_MS = 100.0
GOAL_BYTES = 300_000
REFERENCE = "/sign-in"
PARTS = ("fill", "pages", "consoles")
WORST = 12
WEB = (
    sys.executable, "-m", "gunicorn", "-c", str(Path(config.__file__).parent / "gunicorn.py"),
    "web:create_app()",
)  # fmt: skip
"""As the Procfile and `up` start it."""
Tell = Callable[[str], None]


def run(
    databases: list[str],
    sizes: Sizes,
    asks: int,
    consoles: int,
    seconds: float,
    tell: Tell,
    parts: Sequence[str] = PARTS,
    keep: Path | None = None,
    url: str | None = None,
) -> dict[str, Any]:
    """For each database: filling, pages, and what open consoles cost the API; or some of these parts."""
    if set(parts) != set(PARTS) and keep is None:
        raise Refused("A part alone needs --keep FOLDER: where the filled database stays.")
    result: dict[str, Any] = {
        "benchmark": "console",
        "goal p95 (ms)": GOAL_MS,
        "goal (bytes)": GOAL_BYTES,
    }
    for kind in databases:

        def say(line: str, kind: str = kind) -> None:
            tell(f"{kind}: {line}")

        anew = "fill" in parts
        with filled(kind, sizes, say, keep=keep, url=url, anew=anew) as full:
            figures: dict[str, Any] = {
                "rows": vars(full.story.sizes),
                "filled in (s)": full.seconds,
                "filled before (min)": (time.time() - full.story.now) / 60,
            }
            if {"pages", "consoles"} & set(parts):
                with web_process(full.machine) as address:
                    figures |= _measured(full, address, parts, asks, consoles, seconds, say)
            result[kind] = figures
    return result


def _measured(
    full: Filled,
    address: str,
    parts: Sequence[str],
    asks: int,
    consoles: int,
    seconds: float,
    tell: Tell,
) -> dict[str, Any]:
    ours = full.machine
    figures: dict[str, Any] = {}
    if "pages" in parts and asks:
        asked = addresses(routes(ours.environment), full.story)
        figures |= _pages(Visitor(address, VISITOR, PASSWORD), asked, asks, tell)
    if "consoles" in parts and consoles:
        figures["open consoles"] = _beside_consoles(ours, address, consoles, seconds, tell)
    return figures


@contextmanager
def web_process(ours: Machine) -> Iterator[str]:
    """Its address, for as long as the block lasts."""
    port = _free_port()
    log = (ours.folder / "web.log").open("wb")
    process = subprocess.Popen(
        [*WEB],
        env={**ours.environment, "PORT": str(port)},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        if process.poll() is not None:
            raise RuntimeError((ours.folder / "web.log").read_text()[-2000:])
        try:
            return bool(urllib.request.urlopen(f"{address}/healthz", timeout=2).status == 200)
        except OSError:
            return False

    try:
        ours.wait_for(answers, 60, "the web process")
        yield address
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def _pages(visitor: Visitor, asked: dict[str, list[str]], asks: int, tell: Tell) -> dict[str, Any]:
    """Ask every page `asks` times, each of its addresses in turn; the first time doesn't count."""
    times: dict[str, list[float]] = {rule: [] for rule in asked}
    sizes: dict[str, int] = dict.fromkeys(asked, 0)
    slowest: dict[str, tuple[float, str]] = {}
    bare: list[float] = []
    for path in (REFERENCE, *(path for paths in asked.values() for path in paths)):
        visitor.get(path)
    for number in range(asks):
        for rule, paths in asked.items():
            for path in (
                paths if len(paths) <= asks and number == 0 else [paths[number % len(paths)]]
            ):
                took, size = visitor.get(path)
                times[rule].append(took * 1000)
                sizes[rule] = max(sizes[rule], size)
                slowest[rule] = max(slowest.get(rule, (0.0, "")), (took * 1000, path))
        bare.extend(visitor.get(REFERENCE)[0] * 1000 for _ in range(3))
    p95 = {rule: _share(took, 0.95) for rule, took in times.items()}
    missed = sorted((r for r in asked if p95[r] >= GOAL_MS), key=lambda rule: -p95[rule])
    heavy = sorted(rule for rule in asked if sizes[rule] >= GOAL_BYTES)
    every = [took for each in times.values() for took in each]
    reference = statistics.median(bare)
    tell(f"{len(asked)} pages asked {len(every):,} times; {len(missed)} slow, {len(heavy)} heavy")
    worst = sorted(asked, key=lambda rule: -p95[rule])[:WORST]
    return {
        "reference: the sign-in page, median (ms)": reference,
        "all pages, median (ms)": statistics.median(every),
        "all pages, p95 (ms)": _share(every, 0.95),
        "ratio": statistics.median(every) / reference,
        "pages": len(asked),
        "pages with p95 over the goal": missed,
        "pages with more bytes than the goal": heavy,
        "slowest": {
            rule: f"p50 {statistics.median(times[rule]):.1f} ms, p95 {p95[rule]:.1f} ms,"
            f" {sizes[rule] / 1000:.0f} kB, worst {slowest[rule][1]}"
            for rule in worst
        },
        "each": {
            rule: {"p50": statistics.median(times[rule]), "p95": p95[rule], "bytes": sizes[rule]}
            for rule in asked
        },
    }


def _beside_consoles(
    ours: Machine, address: str, consoles: int, seconds: float, tell: Tell
) -> dict[str, Any]:
    """The API's latency with no console open, and with all of them while something changes."""
    tokens = [
        ours.platform.tokens.create(f"console-{n}", ["read"], None, "bench")[1]
        for n in range(consoles)
    ]
    _, secret = ours.platform.tokens.create("producer", ["read", "publish"], None, "bench")
    api = Visitor(address, token=secret)
    alone = _latencies(api, seconds)
    crowd = subprocess.Popen(
        [sys.executable, "-m", "app.bench.console_crowd", address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert crowd.stdin and crowd.stdout
    try:
        crowd.stdin.write(json.dumps(tokens) + "\n")
        crowd.stdin.flush()
        opened = int(crowd.stdout.readline())
        beside = _latencies(api, seconds, lambda: ours.platform.changes.announce("runs"))
        crowd.stdin.close()
        told = json.loads(crowd.stdout.readline())
    finally:
        if crowd.poll() is None:
            crowd.terminate()
        crowd.wait(20)
    result: dict[str, Any] = {"opened": opened, "still open at the end": told["open"]}
    for name, (before, after) in {what: (alone[what], beside[what]) for what in alone}.items():
        result[name] = {
            "alone, p50 and p95 (ms)": [statistics.median(before), _share(before, 0.95)],
            "beside, p50 and p95 (ms)": [statistics.median(after), _share(after, 0.95)],
            "ratio of the medians": statistics.median(after) / statistics.median(before),
        }
        tell(f"{name}: {result[name]}")
    return result | {
        "refreshes of pages": told["refreshes"],
        "refreshes told to come later": told["refused"],
        "refreshes, p95 (ms)": told["p95"],
        "changes heard by each, least": told["heard"],
    }


def _latencies(
    api: Visitor, seconds: float, change: Callable[[], None] | None = None
) -> dict[str, list[float]]:
    """Publish and look, over and over, with a change announced four times a second."""
    took: dict[str, list[float]] = {"POST events": [], "GET events": [], "GET subscriptions": []}
    end = time.monotonic() + seconds
    changed = 0.0
    while time.monotonic() < end:
        if change and time.monotonic() - changed > 0.25:
            changed = time.monotonic()
            change()
        body = {"type": "order.made", "data": {"n": len(took["POST events"])}}
        took["POST events"].append(api.post("/api/v1/events", body) * 1000)
        took["GET events"].append(api.get("/api/v1/events?limit=20")[0] * 1000)
        took["GET subscriptions"].append(api.get("/api/v1/subscriptions")[0] * 1000)
        time.sleep(0.02)
    return took


def _share(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
