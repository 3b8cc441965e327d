"""What is told of a command that was given: its state, and its answer or refusal."""

from __future__ import annotations

from typing import Any

from app.store.commands import CommandRow, Given
from app.store.moments import iso


def settled(row: CommandRow | None) -> dict[str, Any] | None:
    """The answer, or the refusal, that there is already."""
    if row is None:
        return None
    return dict(row.problem) if row.problem else dict(row.answer) if row.answer else None


def told(given: Given) -> dict[str, Any]:
    """As `Commands.state` answers it."""
    row, letter, parked = given
    state = "refused" if row.problem else "done" if row.answer else parked or "waiting"
    done = row.answer or {"answer": None, "position": None}
    return {
        "id": row.id, "command": row.command, "actor": row.actor, "state": state,
        **done, "problem": row.problem, "letter": letter if state == parked else None,
    }  # fmt: skip


def listed(given: Given) -> dict[str, Any]:
    """The same for a list: without the answer, and with the key that the giver named, and when."""
    row = given.row
    found = {name: value for name, value in told(given).items() if name != "answer"}
    return {**found, "key": None if row.key == row.id else row.key, "at": iso(row.at)}
