"""A command's refusal as it is kept and sent, and as it is raised again for whoever waits. Pure."""

from __future__ import annotations

from typing import Any

from app.errors import (
    Conflict,
    EventTooLarge,
    InvalidCommand,
    InvalidEvents,
    NotAllowed,
    NotFound,
    PenstockError,
    Refused,
    Unavailable,
)

# From the narrower to the wider: the first that fits names it.
KINDS: list[tuple[str, type[PenstockError]]] = [
    ("invalid-command", InvalidCommand),
    ("invalid-events", InvalidEvents),
    ("not-allowed", NotAllowed),
    ("not-found", NotFound),
    ("conflict", Conflict),
    ("event-too-large", EventTooLarge),
    ("refused", Refused),
]


def told(error: PenstockError) -> dict[str, Any] | None:
    """`{"kind", "detail", "problems"?}`; None for what is no refusal: it may work the next time."""
    if isinstance(error, Unavailable):
        return None
    kind = next((name for name, family in KINDS if isinstance(error, family)), None)
    if kind is None:
        return None
    more = {"problems": error.problems} if isinstance(error, InvalidCommand | InvalidEvents) else {}
    return {"kind": kind, "detail": str(error), **more}


def raised(problem: dict[str, Any]) -> PenstockError:
    """The error that was told."""
    kind = problem["kind"]
    if kind == "invalid-command":
        return InvalidCommand(problem["detail"], problem["problems"])
    if kind == "invalid-events":
        return InvalidEvents(problem["problems"])
    return dict(KINDS)[kind](problem["detail"])
