"""Somebody who asks the web process, over one connection that stays open."""

from __future__ import annotations

import http.client
import json
import re
import time
from typing import Any
from urllib.parse import urlencode, urlsplit


class NoRoom(Exception):
    """The server said to come again later."""


class Visitor:
    """Signed in with a name and password, as a browser is, or with a token."""

    def __init__(self, address: str, name: str = "", password: str = "", token: str = ""):
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        if name:
            self._sign_in(name, password)

    def get(self, path: str, **headers: str) -> tuple[float, int]:
        """Seconds until the whole answer was there, and its bytes. Raises where it is no success."""
        took, _, body = self._ask("GET", path, headers=headers)
        return took, len(body)

    def post(self, path: str, body: Any) -> float:
        """Seconds for sending JSON."""
        sent = {"Content-Type": "application/json"}
        return self._ask("POST", path, json.dumps(body), sent)[0]

    def close(self) -> None:
        self._connection.close()

    def _ask(
        self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None
    ) -> tuple[float, http.client.HTTPResponse, bytes]:
        begun = time.perf_counter()
        sent = {**self._headers, **(headers or {})}
        try:
            self._connection.request(method, path, body, sent)
            answer = self._connection.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError):
            # The server leaves a connection that was idle; a browser connects anew.
            self._connection.close()
            self._connection.request(method, path, body, sent)
            answer = self._connection.getresponse()
        text = answer.read()
        took = time.perf_counter() - begun
        if answer.status == 503:
            raise NoRoom(path)
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:500].decode()}")
        if cookie := answer.headers.get("Set-Cookie"):
            self._headers["Cookie"] = cookie.partition(";")[0]
        return took, answer, text

    def _sign_in(self, name: str, password: str) -> None:
        page = self._ask("GET", "/sign-in")[2].decode()
        found = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert found, "the page to sign in has no form"
        form = {"username": name, "password": password, "csrf_token": found[1]}
        sent = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self._ask("POST", "/sign-in", urlencode(form), sent)[1]
        assert answer.status == 302, "signing in was refused"
