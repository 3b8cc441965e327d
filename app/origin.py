"""Where a change comes from: kept beside the call, so that every core function need not hand it on.

Web, command line and workers say it once, at their door (`of`); the audit log reads it
(`current`). `interface` is console, api, cli or worker; `address` the visitor's, or the
person and machine of a command line; `cause` the request, or the event, that asked for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Origin:
    """`noted` counts the lines that the audit log got from here.

    `stored` and `places` say how far what was done here went: the position of the last event that
    it appended to the event store, and of the last one that it published to each partition
    (`order:0`). Together they are a position token (`app.events.position`). `claim` is that of a change
    which is made once (`app.store.once`).
    """

    interface: str | None = None
    address: str | None = None
    cause: str | None = None
    noted: int = 0
    stored: int | None = None
    places: dict[str, str] = field(default_factory=dict)
    claim: Any = None


_CURRENT: ContextVar[Origin | None] = ContextVar("penstock_origin", default=None)


def current() -> Origin:
    """Of what is being done now."""
    return _CURRENT.get() or Origin()


def asked() -> Origin | None:
    """Of what is being done now; None where nobody said, as in a bare script."""
    return _CURRENT.get()


def enter(origin: Origin) -> Token[Origin | None]:
    """From now on, until `leave`."""
    return _CURRENT.set(origin)


def leave(token: Token[Origin | None]) -> None:
    _CURRENT.reset(token)


@contextmanager
def of(origin: Origin) -> Iterator[None]:
    """In this block."""
    token = enter(origin)
    try:
        yield
    finally:
        leave(token)
