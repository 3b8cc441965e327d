"""The platform for the length of one command, built from the environment."""

from __future__ import annotations

import os
import pwd
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import redis

from app.errors import Unavailable
from app.origin import Origin, of
from app.telemetry import logs
from config.settings import Settings

if TYPE_CHECKING:
    from app.bootstrap import Platform


def _person() -> str:
    """Who runs this, by the system's account and not by what the environment says; by its number where a
    container has no name for it.
    """
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return _ODD.sub("_", name)[:LONGEST_NAME]


_ODD = re.compile(r"[^A-Za-z0-9._@-]")
LONGEST_NAME = 64
PERSON = _person()
ACTOR = f"cli:{PERSON}"
"""Whom the audit log shows for what the command line changes; their idempotency keys are their own."""


@contextmanager
def opened() -> Iterator[Platform]:
    """A platform that is closed at the end of the block. Raises SettingsError or Unavailable."""
    from app.bootstrap import build

    platform = build(loaded())
    here = Origin("cli", f"{PERSON}@{socket.gethostname()}")
    try:
        with of(here):
            yield platform
    except redis.exceptions.RedisError as error:
        raise Unavailable(
            f"The Redis server can't do this now ({error}): "
            "`python -m app doctor` says what is wrong"
        ) from error
    finally:
        platform.close()


@contextmanager
def opened_with_handlers() -> Iterator[Platform]:
    """The same, which also knows what the modules of PENSTOCK_HANDLERS declare."""
    from app.importing import import_handlers

    with opened() as platform:
        import_handlers(platform.settings)
        yield platform


def loaded() -> Settings:
    """The settings, with logs at `warning`: a command's output is its own."""
    settings = Settings.load()
    level = settings.log_level if settings.log_level != "info" else "warning"
    logs.configure(level, settings.log_format)
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # where PENSTOCK_HANDLERS are
    return settings
