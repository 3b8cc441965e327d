"""How often a password may be tried.

Counted for every try and before the password is looked at, so that tries side
by side don't slip through: by account and address, by account alone (an
attacker with many addresses), and by address alone (one with many names).
Whoever gets in has the tries at their account forgiven; those of the address
stay, or an attacker with an account of their own could wipe them out.
The counts are in Redis, shared by all web processes; while Redis is away each
process counts by itself.
"""

from __future__ import annotations

from typing import Any

from flask import Flask, current_app, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

THROTTLED = "auth.try_sign_in"
EXTENSION = "penstock.throttle"


def add_throttle(app: Flask, settings: Any) -> None:
    """Throttle the sign-in of `app`, whose blueprint must be there. Each app counts by itself."""
    limiter = Limiter(
        get_remote_address,
        app=app,
        storage_uri=storage_url(settings.redis_url),
        strategy="moving-window",  # a fixed one lets twice as many through at its edge
        in_memory_fallback_enabled=True,
        key_prefix="penstock-sign-in",
    )
    view: Any = app.view_functions[THROTTLED]
    for limit, key in (
        ("10 per minute; 60 per hour", account_and_address),
        ("30 per minute; 300 per hour", account),
        ("60 per minute; 600 per hour", address),
    ):
        view = limiter.limit(limit, key_func=key)(view)
    app.view_functions[THROTTLED] = view
    app.extensions[EXTENSION] = limiter


def forgive() -> None:
    """Forget the tries at the account that this request signed in to."""
    limiter = current_app.extensions[EXTENSION]
    mine = {account_and_address(), account()}
    for counted in limiter.current_limits:
        if mine.intersection(counted.request_args):
            limiter.limiter.clear(counted.limit, *counted.request_args)


def storage_url(redis_url: str | None) -> str:
    """`redis_url` as the limits library writes it."""
    if redis_url is None:
        return "memory://"
    return f"redis+{redis_url}" if redis_url.startswith("unix://") else redis_url


def account() -> str:
    return f"account:{request.form.get('username', '').strip()[:200].casefold()}"


def address() -> str:
    return f"address:{get_remote_address()}"


def account_and_address() -> str:
    return f"{account()} {address()}"
