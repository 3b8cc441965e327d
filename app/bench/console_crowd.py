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

from app.bench.visitor import NoRoom, Visitor

SOON, SPREAD, REST, SLOW = 1.1, 0.7, 1.5, 10
"""As in web/static/console.js: seconds after a change, up to so many more, at least between two
refreshes, and as so many times what the last one took."""
PAGES = ("/", "/failures", "/runs", "/subscriptions", "/flow", "/events", "/replays", "/alerts")


class Console:
    def __init__(self, address: str, token: str, page: str):
        self.address, self.token, self.page = address, token, page
        self.opened = threading.Event()
        self.open = False
        self.heard = 0
        self.took: list[float] = []
        self.refused = 0
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
        last, rest = 0.0, REST
        while True:
            self._changed.wait()
            time.sleep(max(SOON, rest - (time.monotonic() - last)) + SPREAD * random.random())
            self._changed.clear()
            last = time.monotonic()
            try:
                took = visitor.get(self.page, **{"X-Fragment": "all"})[0]
            except NoRoom:
                self.refused += 1
                self._changed.set()
                rest = min(2 * rest, 30.0)
                continue
            self.took.append(took * 1000)
            rest = max(REST, SLOW * took)


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
            "refused": sum(console.refused for console in consoles),
            "p95": took[int(0.95 * len(took))] if took else None,
        }
    )


def _say(what: object) -> None:
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
