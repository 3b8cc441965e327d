"""The app as a whole: what it imports, how it starts, what it keeps from browsers."""

from __future__ import annotations

import subprocess
import sys

import pytest

from config.errors import SettingsError
from tests.web.fakes import FakePlatform
from web import create_app


def test_the_web_process_imports_neither_celery_nor_workers() -> None:
    code = (
        "import sys, web\n"
        "found = {name.split('.')[0] for name in sys.modules} & {'celery', 'kombu', 'workers'}\n"
        "sys.exit(f'imported: {found}' if found else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_it_starts_without_redis_and_without_a_database(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PENSTOCK_DATA_DIR", str(tmp_path))
    app = create_app()
    assert app.test_client().get("/healthz").status_code == 200
    ready = app.test_client().get("/readyz")
    assert ready.status_code == 503
    assert "make run" in ready.get_json()["redis"]
    assert b'penstock_up{part="redis"} 0.0' in app.test_client().get("/metrics").data


def test_a_wrong_environment_is_refused_at_start(monkeypatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://somewhere.example")
    with pytest.raises(SettingsError, match="PENSTOCK_SECRET_KEY"):
        create_app()


def test_static_files_are_kept_for_a_year_under_the_hash_of_their_content() -> None:
    app = create_app(FakePlatform())
    client = app.test_client()
    with app.test_request_context():
        url = app.url_for("static", filename="console.css")
        assert app.url_for("static", filename="nothing.css") == "/static/nothing.css"
    assert "?v=" in url
    assert "immutable" in client.get(url).headers["Cache-Control"]
    assert client.get("/static/console.css").headers["Cache-Control"] == "no-cache"
    assert client.get("/static/console.css?v=old").headers["Cache-Control"] == "no-cache"


def test_a_router_tells_the_scheme_and_only_outside_the_embedded_mode_the_visitor() -> None:
    from flask import request

    for embedded, visitor in ((True, "127.0.0.1"), (False, "203.0.113.9")):
        app = create_app(FakePlatform(embedded=embedded))
        seen = []
        app.before_request(lambda seen=seen: seen.append((request.remote_addr, request.scheme)))
        headers = {"X-Forwarded-For": "10.9.9.9, 203.0.113.9", "X-Forwarded-Proto": "https",
                   "X-Forwarded-Host": "evil.example"}  # fmt: skip
        app.test_client().get("/healthz", headers=headers)
        assert seen == [(visitor, "https")]
