"""The probes."""

from __future__ import annotations

from tests.web.fakes import FakePlatform
from web import create_app
from web.platform import PlatformHolder


def test_alive_whatever_is_broken() -> None:
    platform = FakePlatform()
    platform.healthy = lambda: 1 / 0
    answer = create_app(platform).test_client().get("/healthz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"})


def test_ready_when_redis_and_the_database_are(anonymous) -> None:
    answer = anonymous.get("/readyz")
    assert answer.status_code == 200
    assert answer.get_json()["ready"] is True


def test_not_ready_says_what_is_missing(platform, anonymous) -> None:
    whole = {"redis": "ok", "database": "ok", "migrations": "ok", "workers": 0}
    for part in ("redis", "database", "migrations"):
        platform.healthy = lambda part=part: {**whole, "archive_lag": None, part: "it is away"}
        answer = anonymous.get("/readyz")
        assert answer.status_code == 503
        assert answer.get_json()[part] == "it is away"
        assert answer.get_json()["ready"] is False
        assert "Retry-After" in answer.headers


def test_ready_without_workers_since_events_are_accepted_all_the_same(platform, anonymous) -> None:
    platform.healthy = lambda: {
        "redis": "ok", "database": "ok", "migrations": "ok", "workers": 0, "archive_lag": None}  # fmt: skip
    assert anonymous.get("/readyz").status_code == 200


def test_metrics_in_prometheus_text(anonymous) -> None:
    answer = anonymous.get("/metrics")
    assert answer.content_type.startswith("text/plain")
    assert 'penstock_parked{subscription="shop.handlers.charge"} 31.0' in answer.text


def test_the_platform_is_built_once_and_again_after_a_fork(monkeypatch) -> None:
    built: list[int] = []
    holder = PlatformHolder(lambda: built.append(1) or object())
    first = holder.get()
    assert holder.get() is first
    monkeypatch.setattr("web.platform.os.getpid", lambda: -1)
    assert holder.get() is not first
    assert len(built) == 2
