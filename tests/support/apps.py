"""The web app on a fake platform, made once in a process and given another platform for each test.

To make one compiles some 190 routes and then, page by page, the templates: a quarter of a second
of CPU for each of a thousand tests. What a test left in it (tries at passwords, what pages keep
for a while, a view put in another's place) is gone for the next.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import Flask

from tests.web.fakes import FakePlatform
from web import create_app
from web.auth import throttle
from web.platform import PlatformHolder, hold_platform


def app_on(platform: Any) -> Flask:
    """The app of this platform: the process's own where the platform is a fake one."""
    if not isinstance(platform, FakePlatform):
        return create_app(platform)
    app, as_new = _made()
    assert platform.settings == as_new.settings, "an app of these settings has to be made anew"
    as_new()
    hold_platform(app, PlatformHolder(lambda: platform, platform))
    return app


class _AsNew:
    """Puts an app back to what it was when it was made."""

    def __init__(self, app: Flask, settings: Any):
        self.settings = settings
        self._limiter = app.extensions[throttle.EXTENSION]
        kept: tuple[dict[Any, Any], ...] = (app.extensions, app.config, app.view_functions)
        self._kept = [(each, dict(each)) for each in kept]

    def __call__(self) -> None:
        self._limiter.reset()
        for changed, before in self._kept:
            changed.clear()
            changed.update(before)


@cache
def _made() -> tuple[Flask, _AsNew]:
    platform = FakePlatform()
    app = create_app(platform)
    return app, _AsNew(app, platform.settings)
