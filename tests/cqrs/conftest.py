"""A whole platform on a real server and on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app import bootstrap
from app.events.schema import EventTypes
from app.store import migrate
from app.subscriptions.declaration import Handlers
from config.settings import Settings


@pytest.fixture
def platform(redis_url: str, database_url: str, tmp_path: Path) -> Iterator[bootstrap.Platform]:
    sqlite = database_url.startswith("sqlite")
    extra = {} if sqlite else {"database_url": database_url}
    settings = Settings(data_dir=tmp_path / "data", redis_url=redis_url, **extra)
    made = bootstrap.build(settings, handlers=Handlers(), types=EventTypes())
    migrate.upgrade_all(made.database, made.archive_database)
    before = bootstrap.use(made)
    yield made
    bootstrap.use(before)
    made.close()
