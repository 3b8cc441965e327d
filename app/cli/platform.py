"""The platform for the length of one command, built from the environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import redis

from app.errors import Unavailable
from app.telemetry import logs
from config.settings import Settings

if TYPE_CHECKING:
    from app.bootstrap import Platform

ACTOR = "cli"


@contextmanager
def opened() -> Iterator[Platform]:
    """A platform that is closed at the end of the block. Raises SettingsError or Unavailable."""
    from app.bootstrap import build

    platform = build(loaded())
    try:
        yield platform
    except redis.exceptions.RedisError as error:
        raise Unavailable(
            f"The Redis server can't do this now ({error}): "
            "`python -m app doctor` says what is wrong"
        ) from error
    finally:
        platform.close()


def loaded() -> Settings:
    """The settings, with logs at `warning`: a command's output is its own."""
    settings = Settings.load()
    level = settings.log_level if settings.log_level != "info" else "warning"
    logs.configure(level, settings.log_format)
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # where PENSTOCK_HANDLERS are
    return settings
