"""The web process: the HTTP API, the probes, sign-in and the console.

`create_app()` only puts parts together. Views parse, call the platform and
render; they hold no rule of their own. Nothing here imports workers or
Celery, and nothing connects before the first request needs it.
"""

from __future__ import annotations

from typing import Any

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from app.bootstrap import build
from app.telemetry import logs
from config.settings import Settings
from web import api, console, health
from web.addresses import Addressed
from web.api.positions import add_positions
from web.auth import add_auth
from web.headers import add_headers
from web.platform import PlatformHolder, hold_platform
from web.problems import add_problems


def create_app(platform: Any = None) -> Flask:
    """The Flask app; by default with a Platform from the environment, at its first use.

    Raises `SettingsError` when the environment is wrong.
    """
    if platform is not None:
        settings = platform.settings
    else:
        settings = Settings.load()
        logs.configure(settings.log_level, settings.log_format)
    app = Addressed("web", template_folder="templates", static_folder="static")
    app.secret_key = settings.secret_key.get_secret_value()
    hold_platform(app, PlatformHolder(lambda: build(settings), platform))
    # Behind a router its header tells the visitor; without one (embedded), anyone may write it.
    app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
        app.wsgi_app, x_for=0 if settings.embedded else 1, x_proto=1, x_host=0, x_prefix=0
    )
    add_problems(app)
    add_auth(app, settings)
    add_headers(app)
    add_positions(app)
    app.register_blueprint(api.blueprint, url_prefix="/api/v1")
    app.register_blueprint(api.document)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(console.blueprint)
    return app
