"""What a command says when it fails, in one line."""

from __future__ import annotations

from app.errors import InvalidEvents, PenstockError


def explained(error: PenstockError) -> str:
    if isinstance(error, InvalidEvents):
        first = error.problems[0]
        return f"{first['field']}: {first['problem']}. Nothing was published."
    return " ".join(str(error).split())
