"""The process's one Platform, as views reach it.

It is built at the first use and not with the app, so that a gunicorn that
loads the app before it forks gives every child connections of its own; a
child that inherited one anyway notices by its process id and builds another.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from flask import Flask, current_app

from web.masking import MaskedPlatform, Masks

EXTENSION = "penstock"
MASKS = "penstock.masks"
SEES = "penstock.sees"  # set by the guard: whether who asks may see sensitive fields


class PlatformHolder:
    """Builds with `build` once for each process, however many threads ask."""

    def __init__(self, build: Callable[[], Any], built: Any = None):
        self._build = build
        self._given = built is not None
        self._built = built
        self._process = os.getpid()
        self._lock = threading.Lock()

    def get(self) -> Any:
        with self._lock:
            inherited = self._process != os.getpid() and not self._given
            if self._built is None or inherited:
                self._built = self._build()
                self._process = os.getpid()
            return self._built


def hold_platform(app: Flask, holder: PlatformHolder) -> None:
    app.extensions[EXTENSION] = holder


def current_platform() -> Any:
    """The Platform of the app that serves this request (`app.bootstrap.Platform`).

    Its answers are masked for those who may not see sensitive fields (`web.masking`).
    """
    platform = current_app.extensions[EXTENSION].get()
    masks = current_app.extensions.get(MASKS)
    if masks is None or masks.platform is not platform:
        masks = current_app.extensions[MASKS] = Masks(platform)
    return MaskedPlatform(platform, masks, current_app.extensions.get(SEES, nobody))


def nobody() -> bool:
    return False
