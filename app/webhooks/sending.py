"""One request of a webhook: to an address that was looked at, without redirects, bounded in all it takes.

Whatever is not an answer of 200 to 299 is a failure of its own kind, so that groups of
failures tell an endpoint that is away from one that refuses. What it answered is told
shortly; nothing that was sent is repeated in it.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from functools import cache

from app.subscriptions.outcomes import Retry
from app.webhooks.address import Target, addresses

CONNECT_SECONDS, READ_SECONDS = 5.0, 15.0
MOST_READ = 1000
"""Bytes of an answer that are read; no more than is told of it."""
LONGEST_WAIT = 3600.0


class WebhookUnreachable(Exception):
    """No connection, or no answer in time."""


class WebhookMoved(Exception):
    """It answered with a redirect, which is not followed."""


class WebhookRefused(Exception):
    """It answered 400 to 499: it does not want this."""


class WebhookBroken(Exception):
    """It answered 500 or more, or nothing that can be read."""


def send(target: Target, body: bytes, headers: Mapping[str, str]) -> int:
    """Post it; the status. Raises `Forbidden`, `Retry` where it says when, and the errors above."""
    try:
        connection = _connected(target)
    except (OSError, http.client.HTTPException) as error:
        raise WebhookUnreachable(f"{target.origin}: {error or type(error).__name__}") from None
    try:
        connection.request("POST", target.path, body, dict(headers))
        answer = connection.getresponse()
        told = answer.read(MOST_READ)
    except OSError as error:
        raise WebhookUnreachable(f"{target.origin}: {error or type(error).__name__}") from None
    except (http.client.HTTPException, ValueError) as error:
        raise WebhookBroken(f"{target.origin}: {type(error).__name__}: {error}") from None
    finally:
        connection.close()
    if 200 <= answer.status < 300:
        return answer.status
    raise _failure(target, answer.status, answer.getheader("retry-after"), told)


def _failure(target: Target, status: int, wait: str | None, told: bytes) -> Exception:
    words = " ".join(told.decode("utf-8", "replace").split())[:200]
    words = "".join(letter if letter.isprintable() else "?" for letter in words)
    text = f"{target.origin} answered {status}" + (f": {words}" if words else "")
    if status in (429, 503) and wait and wait.isdecimal() and len(wait) < 9:
        return Retry(text, after=min(float(wait), LONGEST_WAIT))
    if 300 <= status < 400:
        return WebhookMoved(f"{text}. A redirect is not followed: change the webhook's address.")
    return WebhookRefused(text) if 400 <= status < 500 else WebhookBroken(text)


def _connected(target: Target) -> http.client.HTTPConnection:
    """A connection to one of the addresses that were looked at, the first that answers."""
    until = time.monotonic() + CONNECT_SECONDS
    problem: OSError = OSError(f"{target.host} has no address")
    for address in addresses(target):
        try:
            left = max(0.1, until - time.monotonic())
            plain = socket.create_connection((address, target.port), left)
        except OSError as error:
            problem = error
            continue
        return _spoken(target, plain)
    raise problem


def _spoken(target: Target, plain: socket.socket) -> http.client.HTTPConnection:
    plain.settimeout(READ_SECONDS)
    connection = http.client.HTTPConnection(target.host, target.port)
    if target.scheme == "http":
        connection.sock = plain
        return connection
    try:
        # The name is checked against the certificate, whatever the address.
        connection.sock = _context().wrap_socket(plain, server_hostname=target.host)
    except (OSError, ValueError):
        plain.close()
        raise
    return connection


@cache
def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
