"""A refresh of a page, rendered once for all the consoles that look at the same one.

Whenever something changes, every open console asks again for what it shows, and many show the
same few pages. What one of them is answered is kept for `KEPT` seconds for everybody with the same
rights, and who comes while it is being rendered waits for it. At most `AT_ONCE` refreshes are
rendered at a time, so that the API has the rest of the process; when `WAITING` wait already, others
are told to come later, which the script does.

Nobody is shown what is another's: a page that asks who its visitor is (`current_actor`) is never
kept, and the tokens and keys of forms are filled in for each visitor.
"""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass, field

from flask import Response, current_app, g, request
from flask_wtf.csrf import generate_csrf

from web.addresses import address_of
from web.auth import current_identity
from web.console.once import MARK, new_key
from web.console.pages import blueprint
from web.console.recent import forgotten

KEPT = 1.0
"""Seconds from when it was begun; less than `SOON` in console.js, so that a refresh shows its change."""
AT_ONCE = 2
WAITING = 32
PATIENCE = 10.0
MOST_KEPT = 200
HEADER = "X-Fragment"
EXTENSION = "penstock.refreshes"
FORM_TOKEN = f"form-token-{secrets.token_hex(16)}"
"""Stands in what is kept where a form's token belongs; nobody outside can know it."""

Key = tuple[str, str, frozenset[str]]


@dataclass
class Shown:
    """What a refresh of one page is answered, since when, and the turn to render it."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    body: bytes | None = None
    begun: float = float("-inf")

    def fresh(self) -> bytes | None:
        is_new = self.begun > max(time.monotonic() - KEPT, forgotten())
        return self.body if is_new else None


class Refreshes:
    """Those of one process."""

    def __init__(self) -> None:
        self.rendering = threading.BoundedSemaphore(AT_ONCE)
        self.waiting = threading.BoundedSemaphore(WAITING)
        self._shown: dict[Key, Shown] = {}
        self._lock = threading.Lock()

    def of(self, key: Key) -> Shown:
        with self._lock:
            if len(self._shown) >= MOST_KEPT:
                kept = {
                    k: one for k, one in self._shown.items() if one.turn.locked() or one.fresh()
                }
                self._shown = kept
            return self._shown.setdefault(key, Shown())

    def take_turn(self, page: Shown) -> bool:
        """Wait for the turn to render it, or until another has; False where that takes too long."""
        if not self.waiting.acquire(blocking=False):
            return False
        try:
            if not page.turn.acquire(timeout=PATIENCE):
                return False
            if page.fresh() or not self.rendering.acquire(timeout=PATIENCE):
                page.turn.release()
                return page.fresh() is not None
        finally:
            self.waiting.release()
        g.refreshing, g.refresh_begun = page, time.monotonic()
        return True

    def give_turn(self, page: Shown) -> None:
        self.rendering.release()
        page.turn.release()


def refreshes() -> Refreshes:
    found = current_app.extensions.get(EXTENSION)
    return found or current_app.extensions.setdefault(EXTENSION, Refreshes())


@blueprint.before_request
def share() -> Response | None:
    """Answer a refresh with what another was answered just now, or let it be rendered."""
    if request.method != "GET" or HEADER not in request.headers:
        return None
    identity = current_identity()
    if identity is None:
        return None
    ours = refreshes()
    page = ours.of((address_of(request), request.headers[HEADER], identity.permissions))
    if page.fresh() is None and not ours.take_turn(page):
        return Response(
            "Many consoles ask at once: again in a moment.\n", 503, {"Retry-After": "2"}
        )
    body = page.body if "refreshing" not in g else None
    return _answer(body) if body is not None else None


@blueprint.after_request
def keep(response: Response) -> Response:
    page: Shown | None = g.get("refreshing")
    if page is None or response.status_code != 200:
        return response
    body = response.get_data()
    if not g.get("personal"):
        page.body, page.begun = body, g.refresh_begun
    response.set_data(_filled(body))
    return response


@blueprint.teardown_request
def give_turn(_error: BaseException | None) -> None:
    page: Shown | None = g.pop("refreshing", None)
    if page is not None:
        refreshes().give_turn(page)


@blueprint.app_context_processor
def form_tokens() -> dict[str, object]:
    return {"csrf_token": lambda: FORM_TOKEN, "form_key": MARK} if "refreshing" in g else {}


def _filled(body: bytes) -> bytes:
    for mark, make in ((FORM_TOKEN, generate_csrf), (MARK, new_key)):
        if mark.encode() in body:
            body = body.replace(mark.encode(), make().encode())
    return body


def _answer(body: bytes) -> Response:
    return Response(_filled(body), content_type="text/html; charset=utf-8")
