"""An app on a fake platform, and clients that are somebody."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.support.apps import app_on
from tests.web.fakes import TOKENS, FakePlatform


@pytest.fixture
def platform() -> FakePlatform:
    return FakePlatform()


@pytest.fixture
def app(platform: FakePlatform) -> Flask:
    return app_on(platform)


@pytest.fixture
def anonymous(app: Flask) -> FlaskClient:
    return app.test_client()


class Api:
    """Calls under /api/v1 with one token."""

    def __init__(self, app: Flask, secret: str):
        self._client = app.test_client()
        self.headers = {"Authorization": f"Bearer {secret}"}

    def __call__(self, method: str, path: str, **more: Any) -> Any:
        headers = {**self.headers, **more.pop("headers", {})}
        return self._client.open(f"/api/v1{path}", method=method, headers=headers, **more)

    def get(self, path: str, **more: Any) -> Any:
        return self("GET", path, **more)

    def post(self, path: str, json: Any = None, **more: Any) -> Any:
        return self("POST", path, json=json, **more)


@pytest.fixture
def api_as(app: Flask) -> Callable[[str], Api]:
    """The API as a token with one scope."""
    return lambda scope: Api(app, TOKENS[scope])


@pytest.fixture
def api(api_as: Callable[[str], Api]) -> Api:
    return api_as("admin")


def csrf_of(page: str) -> str:
    """The CSRF token in a page's form."""
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert found, "the page has no csrf_token"
    return found[1]


def sign_in(app: Flask, name: str, password: str | None = None, next: str = "/") -> FlaskClient:
    """A browser with a session of `name`."""
    client = app.test_client()
    token = csrf_of(client.get("/sign-in").text)
    answer = client.post("/sign-in", data={
        "username": name, "password": password or f"{name}-password",
        "csrf_token": token, "next": next})  # fmt: skip
    assert answer.status_code == 302, f"{answer.status_code} {answer.text}"
    return client


@pytest.fixture
def browser_of(app: Flask) -> Callable[[str], FlaskClient]:
    return lambda name: sign_in(app, name)
