"""The embedded server: found, started, durable, and closed to others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import redis

from app.embedded import binary
from app.embedded.server import EmbeddedServer
from config.errors import SettingsError


def fake(folder: Path, name: str, said: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{said}'\n")
    path.chmod(0o755)


def on_path(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setattr(binary.shutil, "which", lambda name: next(
        (str(folder / name) for _ in [0] if (folder / name).exists()), None))  # fmt: skip


def test_a_server_on_the_path_is_preferred_to_the_bundled_one(monkeypatch, tmp_path):
    fake(tmp_path, "valkey-server", "Valkey server v=8.1.3 sha=0 malloc=libc bits=64")
    on_path(monkeypatch, tmp_path)
    assert str(binary.choose()) == "Valkey 8.1.3"


def test_one_that_is_too_old_is_passed_over(monkeypatch, tmp_path):
    fake(tmp_path, "redis-server", "Redis server v=6.0.16 sha=0 malloc=libc bits=64")
    on_path(monkeypatch, tmp_path)
    assert (6, 0, 16) not in [found.version for found in binary.available()]
    assert binary.choose().version >= (6, 2)


def test_data_is_opened_with_the_product_that_wrote_it(monkeypatch, tmp_path):
    fake(tmp_path, "redis-server", "Redis server v=7.2.4 sha=0 malloc=libc bits=64")
    fake(tmp_path, "valkey-server", "Valkey server v=8.1.3 sha=0 malloc=libc bits=64")
    on_path(monkeypatch, tmp_path)
    assert binary.choose().product == "redis"
    assert binary.choose(written_by="valkey").product == "valkey"


def test_no_server_at_all_is_one_line_with_the_cure(monkeypatch):
    monkeypatch.setattr(binary, "available", list)
    with pytest.raises(SettingsError, match="install redis-server or valkey-server"):
        binary.choose()


@pytest.mark.parametrize("found", binary.available(), ids=str)
def test_what_was_written_is_there_after_a_restart(tmp_path, found):
    folder = tmp_path / "r"
    server = EmbeddedServer(folder, binary=found, fsync="always")
    for start in range(2):
        server.start()
        server.wait_ready()
        with redis.Redis.from_url(server.url, decode_responses=True) as client:
            assert client.get("start") == (None if start == 0 else "0")
            client.set("start", start)
            assert client.config_get("appendfsync") == {"appendfsync": "always"}
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        if start == 0:
            assert server.process
            server.process.kill()
            server.process.wait()
    server.stop()
    assert server.process
    assert server.process.poll() is not None


def test_a_long_path_gets_a_port_behind_a_password(tmp_path):
    server = EmbeddedServer(tmp_path / ("long" * 30), fsync=None)
    server.start()
    try:
        server.wait_ready()
        assert server.url.startswith("redis://:")
        port = int(server.url.rpartition(":")[2].partition("/")[0])
        with (
            redis.Redis(port=port) as stranger,
            pytest.raises(redis.exceptions.AuthenticationError),
        ):
            stranger.ping()
    finally:
        server.stop()


def test_a_server_that_cannot_start_says_so(tmp_path):
    server = EmbeddedServer(tmp_path / "r")
    (tmp_path / "r" / "appendonlydir").mkdir(parents=True)
    (tmp_path / "r" / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
    server.start()
    with pytest.raises(SettingsError, match="ended at once"):
        server.wait_ready()
