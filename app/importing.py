"""Importing the modules that PENSTOCK_HANDLERS names, and making known what they declare."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from app.bootstrap import Platform
from app.subscriptions.declare import declare as make_known
from config.errors import SettingsError
from config.settings import Settings

OURS = ("app.subscriptions.system", "app.cqrs.giving", "app.cqrs.as_of.answering")
"""Modules with subscriptions of Penstock's own."""


def import_handlers(settings: Settings) -> None:
    """Import the handlers' modules, so that `@on` and `@event_type` register what they declare.

    Raises `SettingsError` that names a module which can't be imported, and why.
    """
    working = str(Path.cwd())
    if working not in sys.path:
        sys.path.insert(0, working)
    for module in (*OURS, *settings.handlers):
        try:
            import_module(module)
        except Exception as error:
            raise SettingsError(
                f"PENSTOCK_HANDLERS: {module} can't be imported: {type(error).__name__}: {error}"
            ) from error


def declare(platform: Platform) -> list[str]:
    """Make known what the handlers' modules declare; the names of the subscriptions.

    Raises `SettingsError` where a module can't be imported.
    """
    import_handlers(platform.settings)
    make_known(platform)
    return sorted(platform.handlers.subscriptions)
