"""Which models an attempt used: noted by who serves them, told with the attempt's failure.

Kept for the thread that handles; forgotten when its next attempt begins.
"""

from __future__ import annotations

from contextvars import ContextVar

_used: ContextVar[tuple[str, ...]] = ContextVar("models in use", default=())


def note(model: str, version: int) -> None:
    """This version is about to answer."""
    named = f"{model}, version {version}"
    used = _used.get()
    if named not in used:
        _used.set((*used, named))


def used() -> str | None:
    """The models of this attempt, or None where it asked none."""
    return "; ".join(_used.get()) or None


def forget() -> None:
    """An attempt begins."""
    if _used.get():
        _used.set(())
