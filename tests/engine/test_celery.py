"""Leases live well with the rest of Celery: ordinary tasks, revoke, a growing pool."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery

from tests.engine.rig import Rig, until
from workers.application import make

Started = Callable[[str], Rig]


def _celery(rig: Rig) -> Celery:
    return make(rig.settings)


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_an_ordinary_task_is_not_starved_by_leases(started: Started, pool: str) -> None:
    rig = started(pool)
    celery = _celery(rig)
    celery.send_task("engine.ordinary", [9], queue="default")  # it connects, which takes a while
    rig.publish("plain", range(500), sleep=0.01)
    until(lambda: rig.outputs("plain"), what="leases are at work")
    tasks = range(1 if pool == "solo" else 3)  # a solo worker does one between two leases
    sent = time.monotonic()
    for n in tasks:
        celery.send_task("engine.ordinary", [n], queue="default")
    until(lambda: all((rig.folder / f"ordinary-{n}").exists() for n in tasks), seconds=10)
    assert time.monotonic() - sent < 10
    assert len(rig.outputs("plain")) < 500, "the ordinary tasks waited for all events"
    rig.await_outputs("plain", range(500))


def _active_leases(celery: Celery) -> list[dict[str, Any]]:
    return [task for tasks in (celery.control.inspect().active() or {}).values() for task in tasks]


def test_a_revoked_lease_loses_nothing(started: Started) -> None:
    rig = started("prefork")
    celery = _celery(rig)
    rig.publish("plain", range(600), sleep=0.02)
    for _ in range(2):
        leases = until(lambda: _active_leases(celery), what="a lease is active")
        celery.control.revoke(leases[0]["id"], terminate=True)
        until(lambda id=leases[0]["id"]: id not in [one["id"] for one in _active_leases(celery)])
    rig.await_outputs("plain", range(600))
    assert not rig.parked()


def test_a_pool_that_grows_and_shrinks_does_no_harm(started: Started) -> None:
    rig = started("prefork")
    (worker,) = rig.workers
    celery = _celery(rig)
    rig.publish("plain", range(600), sleep=0.01)
    until(lambda: rig.outputs("plain"), what="leases are at work")
    celery.control.pool_grow(2)
    until(lambda: len(worker.children()) == 5, what="the pool has grown")
    celery.control.pool_shrink(2)
    rig.await_outputs("plain", range(600))
    assert not rig.parked()
    rig.publish("effect", range(20))
    rig.await_outputs("effect", range(20))


def test_an_autoscaled_pool_works(rig: Rig) -> None:
    rig.start(arguments=["--autoscale=3,1"]).ready()
    rig.publish("plain", range(300), sleep=0.005)
    rig.await_outputs("plain", range(300))
