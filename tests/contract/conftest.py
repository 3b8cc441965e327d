"""Every test of this folder runs in memory and on Redis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app import bootstrap
from config.settings import Settings
from tests.contract.world import MemoryWorld, RedisWorld, World


@pytest.fixture(params=["memory", "redis"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    if request.param == "memory":
        made: World = MemoryWorld()
    else:
        url = request.getfixturevalue("redis_url")
        made = RedisWorld(Settings(data_dir=tmp_path, redis_url=url))
    before = bootstrap.use(None)
    try:
        yield made
    finally:
        bootstrap.use(before)
        made.platform.close()
