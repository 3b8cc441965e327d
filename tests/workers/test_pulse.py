"""The beat: a sign of life with the server's time, whatever the worker's own clock says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from app import bootstrap
from app.bootstrap import Platform
from app.events.schema import EventTypes
from app.streams import control
from app.subscriptions.declaration import Handlers
from app.subscriptions.slots import Slots
from config.settings import Settings
from workers.pulse import Pulse

YEAR = 365 * 86_400.0


@pytest.fixture
def platform(redis_url: str, tmp_path: Any) -> Iterator[Platform]:
    settings = Settings(data_dir=tmp_path, redis_url=redis_url)
    made = bootstrap.build(settings, handlers=Handlers(), types=EventTypes())
    yield made
    made.close()


@pytest.mark.parametrize("ahead", [YEAR, -YEAR])
def test_a_worker_with_a_wrong_clock_is_no_dead_one(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + ahead)
    nothing: Any = SimpleNamespace()
    pulse = Pulse("w", platform.wire(), nothing, lambda: {"lanes": []}, nothing, nothing)
    pulse.beat()
    (worker,) = platform.workers.list()
    assert worker["alive"]
    assert abs(worker["beat"] - real()) < 60, "the server runs on this machine, with its right time"


def test_after_a_server_forgot_all_every_decision_is_newer_than_what_leases_know(
    platform: Platform,
) -> None:
    nothing: Any = SimpleNamespace()
    slots = Slots(1)
    watch: Any = SimpleNamespace(slots=slots)
    pulse = Pulse("w", platform.wire(), watch, lambda: {}, nothing, nothing)
    for _ in range(3):
        control.decide(platform.redis, "shop.ship", control.Decision(paused=True))
    pulse.look_at_control()
    before = slots.control
    assert before >= 3
    platform.redis.flushall()
    pulse.look_at_control()
    assert slots.control == control.version(platform.redis) > before
    control.decide(platform.redis, "shop.ship", control.Decision())
    pulse.look_at_control()
    assert slots.control == control.version(platform.redis) == before + 2
