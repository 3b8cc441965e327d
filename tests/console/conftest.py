"""The console on a fake platform: signed-in clients, and a real server with Chromium."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.serving import make_server

from tests.console.browser import launch
from tests.support.apps import app_on
from tests.web.fakes import FakePlatform

SIGN_IN = Callable[[str], FlaskClient]


@pytest.fixture
def platform() -> FakePlatform:
    return FakePlatform()


@pytest.fixture
def app(platform: FakePlatform) -> Flask:
    return app_on(platform)


@pytest.fixture
def sign_in(app: Flask) -> SIGN_IN:
    """A client with the session of `viewer`, `operator` or `admin`."""

    def client_of(name: str) -> FlaskClient:
        client = app.test_client()
        form = {"username": name, "password": f"{name}-password", "csrf_token": token(client)}
        assert client.post("/sign-in", data=form).status_code == 302
        return client

    return client_of


@pytest.fixture
def admin(sign_in: SIGN_IN) -> FlaskClient:
    return sign_in("admin")


@pytest.fixture
def operator(sign_in: SIGN_IN) -> FlaskClient:
    return sign_in("operator")


def token(client: FlaskClient) -> str:
    """A CSRF token for this client's session."""
    page = client.get("/sign-in", follow_redirects=True).text
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found, "the page has no form"
    return found[1]


def send(client: FlaskClient, path: str, follow: bool = True, **fields: str) -> str:
    """Send a form as the page would; the text of the page that answers."""
    form = {"csrf_token": token(client), **fields}
    return client.post(path, data=form, follow_redirects=follow).text


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    yield from launch()


@pytest.fixture
def server(app: Flask) -> Iterator[str]:
    """The app on a real port, in a thread of this process."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(5)
