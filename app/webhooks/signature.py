"""Signatures as Standard Webhooks has them: HMAC-SHA256 over id, time and body.

No secret is kept anywhere: each is derived from PENSTOCK_SECRET_KEY, the webhook's name and
a number that rises when it is renewed. So none can be read from the database, a log or a page.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"


def secret_of(key: str, name: str, number: int) -> str:
    """A webhook's secret in its written form, `whsec_…`: what its owner is shown once."""
    derived = hmac.new(key.encode(), f"webhook\0{name}\0{number}".encode(), hashlib.sha256)
    return PREFIX + base64.b64encode(derived.digest()).decode()


def headers(id: str, timestamp: int, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The three headers; with one signature for each secret, while two are good."""
    return {
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(sign(id, timestamp, body, secret) for secret in secrets),
    }


def sign(id: str, timestamp: int, body: bytes, secret: str) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = b"%s.%d.%s" % (id.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
