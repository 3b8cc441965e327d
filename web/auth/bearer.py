"""Bearer tokens: the `Authorization` header of scripts and services (RFC 6750).

A request that carries one is judged by it alone: a session cookie
beside it counts for nothing, which is why such a request needs no CSRF token.
"""

from __future__ import annotations

import hmac

from flask import request
from pydantic import SecretStr

from web.auth.identity import Identity
from web.platform import current_platform

# The token of PENSTOCK_API_TOKEN, by which a deployment's scripts make the others.
BOOTSTRAP = Identity.of_token("bootstrap", ["admin"])


def has_bearer() -> bool:
    """Whether the request came with a bearer token, good or bad."""
    return _scheme_and_secret()[0] == "bearer"


def _scheme_and_secret() -> tuple[str, str]:
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower(), secret.strip()


def identity_of_bearer() -> Identity | None:
    """Whose token it is; None where the header holds no token that is valid now."""
    _, secret = _scheme_and_secret()
    if not secret:
        return None
    platform = current_platform()
    if _is_bootstrap(secret, platform.settings.api_token):
        return BOOTSTRAP
    token = platform.tokens.verify(secret)
    return Identity.of_token(token.name, token.scopes) if token else None


def _is_bootstrap(secret: str, expected: SecretStr | None) -> bool:
    return expected is not None and hmac.compare_digest(
        secret.encode(), expected.get_secret_value().encode()
    )
