"""Many open consoles, in a process of their own: `python -m app.bench.console_crowd ADDRESS`.

Each does what the console's script does: it holds a stream, and some time after it heard of a
change asks for its page again. Tokens come as one JSON line on standard input; the number of
streams that opened goes out; when the input ends, the figures of all of them do.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
import threading
import time
from urllib.parse import urlsplit

from app.bench.visitor import Visitor

SOON, EVERY = 0.6, 1.5
"""As in web/static/console.js: seconds after a change, and at least between two refreshes."""
PAGES = ("/", "/failures", "/runs", "/subscriptions", "/flow", "/events", "/replays", "/alerts")


class Console:
    def __init__(self, address: str, token: str, page: str):
        self.address, self.token, self.page = address, token, page
        self.opened = threading.Event()
        self.open = False
        self.heard = 0
        self.took: list[float] = []
        self._changed = threading.Event()
        for work in (self._listen, self._refresh):
            threading.Thread(target=work, daemon=True).start()

    def _listen(self) -> None:
        connection = http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=60)
        connection.request("GET", "/live", headers={"Authorization": f"Bearer {self.token}"})
        answer = connection.getresponse()
        self.open = answer.status == 200
        while self.open:
            line = answer.readline()
            if not line:
                self.open = False
            self.opened.set()
            if line.startswith(b"data:"):
                self.heard += 1
                self._changed.set()
        self.opened.set()

    def _refresh(self) -> None:
        visitor = Visitor(self.address, token=self.token)
        last = 0.0
        while True:
            self._changed.wait()
            time.sleep(max(SOON, EVERY - (time.monotonic() - last)))
            self._changed.clear()
            last = time.monotonic()
            self.took.append(visitor.get(self.page, **{"X-Fragment": "all"})[0] * 1000)


def main() -> None:
    tokens = json.loads(sys.stdin.readline())
    chosen = random.Random(1)
    consoles = []
    for number, token in enumerate(tokens):
        consoles.append(Console(sys.argv[1], token, PAGES[number % len(PAGES)]))
        time.sleep(chosen.random() / 20)
    for console in consoles:
        console.opened.wait(30)
    _say(sum(console.open for console in consoles))
    sys.stdin.read()
    took = sorted(one for console in consoles for one in console.took)
    _say(
        {
            "open": sum(console.open for console in consoles),
            "heard": min(console.heard for console in consoles),
            "refreshes": len(took),
            "p95": took[int(0.95 * len(took))] if took else None,
        }
    )


def _say(what: object) -> None:
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
