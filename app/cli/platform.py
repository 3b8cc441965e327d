"""The platform for the length of one command, built from the environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.telemetry import logs
from config.settings import Settings

if TYPE_CHECKING:
    from app.bootstrap import Platform

ACTOR = "cli"


@contextmanager
def opened() -> Iterator[Platform]:
    """A platform that is closed at the end of the block. Raises SettingsError."""
    from app.bootstrap import build

    settings = loaded()
    settings.require_redis()
    platform = build(settings)
    try:
        yield platform
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
