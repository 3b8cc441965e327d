"""A whole platform on a real server and on each kind of database, for the folders that want one.

Import the fixture in a conftest: `from tests.support.platforms import platform`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app import bootstrap
from app.events.schema import EventTypes
from app.subscriptions.declaration import Handlers
from config.settings import Settings


@pytest.fixture
def platform(redis_url: str, migrated_url: str, tmp_path: Path) -> Iterator[bootstrap.Platform]:
    """Without handlers and types but those that a test declares; it is the process's own."""
    extra = {} if migrated_url.startswith("sqlite") else {"database_url": migrated_url}
    settings = Settings(data_dir=tmp_path, redis_url=redis_url, **extra)
    made = bootstrap.build(settings, handlers=Handlers(), types=EventTypes())
    before = bootstrap.use(made)
    yield made
    bootstrap.use(before)
    made.close()
