"""The server's disk: full under load, and asked for before a publish returns."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import redis

from app import bootstrap
from app.embedded.binary import available
from app.errors import Refused, Unavailable
from app.events.event import Event
from app.events.schema import EventTypes
from app.subscriptions.declaration import Handlers
from config.settings import Settings
from tests.engine.rig import ROOT, Rig, until
from web import create_app

REFUSED = "Connection to broker lost"
"""What Celery logs where its server refuses a read from a queue."""


def _limit_files(rig: Rig, bytes: int) -> None:
    """From now on the server's files can't grow beyond this: its writes fail, as on a full disk."""
    pid = rig.server.process.pid
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (bytes, resource.RLIM_INFINITY))


def test_a_full_disk_refuses_producers_and_loses_nothing(
    make_rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`appendfsync everysec`: the server says MISCONF until it can write again. Events were
    accepted before, handlers are at work meanwhile, and everything is settled afterwards."""
    with monkeypatch.context() as patched:
        # Python ignores SIGXFSZ; its children shall too, for else the limit kills the server.
        patched.setattr(subprocess, "Popen", partial(subprocess.Popen, restore_signals=False))
        rig = make_rig(fsync="everysec")
    workers = rig.pair()
    rig.publish("plain", range(200), gate="let-go", fail=lambda n: n % 50 == 0)
    until(lambda: rig.trace.lines("begin"), what="they begin")
    size = sum(file.stat().st_size for file in (rig.folder / "server").rglob("*") if file.is_file())
    _limit_files(rig, size + 64 * 1024)
    accepted = _publish_until_refused(rig)
    rig.let_go("let-go")
    with pytest.raises(Unavailable, match="free its disk"):
        rig.publish("plain", [9000])
    # Celery's own reads are refused too, which are writes to the server.
    until(lambda: all(REFUSED in worker.log.read_text() for worker in workers), what=rig.logs)
    _limit_files(rig, resource.RLIM_INFINITY)
    until(lambda: _accepts(rig), what="the server takes writes again")
    rig.await_outputs("plain", [*range(200), 9000])
    kept = {event.id for event in rig.events("ballast", "put")}
    assert kept >= accepted, "an event that was accepted is gone"
    assert not rig.parked()
    assert all(worker.process.poll() is None for worker in workers), "a worker ended for it"


def _publish_until_refused(rig: Rig) -> set[str]:
    """Publish until the server refuses; the ids that it accepted."""
    accepted: set[str] = set()

    def refused() -> bool:
        event = Event(type="ballast.put", id=f"b{len(accepted)}", data="x" * 5_000)
        try:
            rig.platform.publisher.publish([event])
        except Unavailable:
            return True
        accepted.add(event.id)
        return False

    until(refused, seconds=60, every=0.002, what="the disk is full")
    return accepted


def _accepts(rig: Rig) -> bool:
    try:
        rig.publish("plain", [9000])
    except Unavailable:
        return False
    return True


@pytest.fixture
def valkey(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that knows WAITAOF, which the one on the PATH may not."""
    newest = max(available(), key=lambda one: one.version)
    if newest.version < (7, 2):
        pytest.skip("no server here knows WAITAOF: Redis 7.2 or Valkey")
    monkeypatch.setattr("app.embedded.server.choose", lambda written_by=None: newest)


@pytest.mark.usefixtures("valkey")
def test_a_durable_publish_is_on_disk_when_it_returns(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(fsync="everysec")
    event = rig.event("plain", 1)
    assert rig.platform.publisher.publish([event], durable=True) == [True]
    assert rig.platform.publisher.publish([event], durable=True) == [False]
    _publish_by_command(rig, 2)
    assert _publish_by_http(rig, 3).status_code == 202
    rig.server.process.kill()
    rig.server.process.wait()
    rig.server.start()
    rig.server.wait_ready()
    assert [one.id for one in rig.events("plain", "asked")] == ["plain-1", "plain-2", "plain-3"]


def _publish_by_http(rig: Rig, n: int) -> Any:
    secrets = {"api_token": "a token for this test", "given_secret": "s" * 40}
    settings = Settings(data_dir=rig.data, redis_url=rig.server.url, **secrets)
    platform = bootstrap.build(settings, handlers=Handlers(), types=EventTypes())
    try:
        return (
            create_app(platform)
            .test_client()
            .post(
                "/api/v1/events?durable=1",
                json=rig.event("plain", n).to_dict(),
                headers={"Authorization": f"Bearer {secrets['api_token']}"},
            )
        )
    finally:
        platform.close()


def _publish_by_command(rig: Rig, n: int) -> None:
    given = {
        "REDIS_URL": rig.server.url,
        "PENSTOCK_DATA_DIR": str(rig.data),
        "PENSTOCK_SECRET_KEY": "s" * 40,
    }
    command = ["publish", "plain.asked", "{}", "--id", f"plain-{n}", "--durable"]
    subprocess.run(
        [sys.executable, "-m", "app", *command],
        cwd=ROOT,
        env={**os.environ, **given},
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=60,
    )


@pytest.mark.usefixtures("valkey")
def test_a_durable_publish_that_is_not_synced_in_time_may_be_repeated(
    make_rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig(fsync="no")
    monkeypatch.setattr("app.streams.durable.FSYNC_SECONDS", 0.05)
    event = rig.event("plain", 1)
    with pytest.raises(Unavailable, match="again with the same ids"):
        rig.platform.publisher.publish([event], durable=True)
    rig.redis.config_set("appendfsync", "always")
    assert rig.platform.publisher.publish([event], durable=True) == [False]


@pytest.mark.usefixtures("valkey")
def test_what_cannot_be_promised_is_refused_before_anything_is_written(
    make_rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig()
    event = rig.event("plain", 1)
    with pytest.raises(Refused, match="append-only file"):
        rig.platform.publisher.publish([event], durable=True)
    answer = _publish_by_http(rig, 1)
    assert answer.status_code == 422
    assert "append-only file" in answer.get_json()["detail"]
    info = redis.Redis.info

    def old(client: redis.Redis, *sections: str) -> Any:
        return {**info(client, *sections), "redis_version": "7.0.15"}

    monkeypatch.setattr(redis.Redis, "info", old)
    with pytest.raises(Refused, match="needs Redis"):
        rig.platform.publisher.publish([event], durable=True)
    assert not rig.redis.exists("penstock:topic:plain:0")
