"""How often a password may be tried.

Counted for every try and before the password is looked at, so that tries side
by side don't slip through: by account and address, by account alone (an
attacker with many addresses), and by address alone (one with many names).
The counts are in Redis, shared by all web processes; while Redis is away each
process counts by itself.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

BY_BOTH = "10 per minute; 60 per hour"
BY_ACCOUNT = "30 per minute; 300 per hour"
BY_ADDRESS = "60 per minute; 600 per hour"

limiter = Limiter(get_remote_address, headers_enabled=False)


def add_throttle(app: Flask, settings: Any) -> None:
    app.config.update(
        RATELIMIT_STORAGE_URI=storage_url(settings.redis_url),
        RATELIMIT_STRATEGY="moving-window",  # a fixed one lets twice as many through at its edge
        RATELIMIT_IN_MEMORY_FALLBACK_ENABLED=True,
        RATELIMIT_KEY_PREFIX="penstock-sign-in",
    )
    limiter.init_app(app)


def storage_url(redis_url: str | None) -> str:
    """`redis_url` as the limits library writes it."""
    if redis_url is None:
        return "memory://"
    return f"redis+{redis_url}" if redis_url.startswith("unix://") else redis_url


def account() -> str:
    return request.form.get("username", "")[:200].casefold()


def account_and_address() -> str:
    return f"{get_remote_address()} {account()}"
