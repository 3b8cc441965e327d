"""The Celery side: `celery -A workers worker -Q default,inference -c 2`.

Celery gives the pools, the remote control and the shutdown; what runs in a
slot is a lease (`app.subscriptions.lease`). Flask is never imported here.

Importing the package is free of side effects; `workers.celery`, which the
celery command asks for, is made when it is asked for. From then on SIGTERM is
a clean end, also before Celery has its own handlers: a worker that still waits
for its database holds nothing.
"""

from __future__ import annotations

import gc
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from celery import Celery

    celery: Celery


def __getattr__(name: str) -> Any:
    if name != "celery":
        raise AttributeError(f"module 'workers' has no attribute {name!r}")
    _be_importable()
    _end_cleanly_on_sigterm()
    with without_collector():
        from config.errors import SettingsError
        from workers import application, child_queues, step

    try:
        made = application.make(application.settings_of_this_process())
    except SettingsError as error:
        sys.exit(f"penstock: {error}")
    step.install(made)
    child_queues.install()
    globals()["celery"] = made
    return made


@contextmanager
def without_collector() -> Iterator[None]:
    """For imports: what they make stays, so that looking through it for garbage is time lost."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _be_importable() -> None:
    """Put back the folder of our packages: the `celery` command takes it out of the path."""
    root = str(Path(__file__).parents[1])
    if root not in sys.path:
        sys.path.insert(0, root)


def _end_cleanly_on_sigterm() -> None:
    """Exit with status 0, as a platform that stops its processes expects; Celery takes over later."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
