"""The family of errors that Penstock raises on purpose.

Each one's message says what happened, to which event, subscription or
setting, and what to do now; it is shown to people as it is. Whatever else is
raised is a bug.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from config.errors import PenstockError, SettingsError

__all__ = [
    "Conflict",
    "EventTooLarge",
    "InvalidCommand",
    "InvalidEvents",
    "NewerData",
    "NotAllowed",
    "NotFound",
    "PenstockError",
    "Refused",
    "SettingsError",
    "Unavailable",
]


class InvalidEvents(PenstockError):
    """Some events were refused before any of the batch was published.

    `problems` has a mapping for each bad event: its `index` in the batch, its
    `id`, its `type`, the `field` at fault and the `problem` in words.
    """

    def __init__(self, problems: Sequence[dict[str, Any]], undone: str = "published"):
        self.problems = list(problems)
        first = self.problems[0]
        named = (str(first[name] or "")[:200] for name in ("type", "id"))
        where = " ".join(filter(None, named)) or "event"
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        problem = f"{where}: {first['field']}: {first['problem']}{more}"
        super().__init__(f"{problem}. Nothing was {undone}.")


class EventTooLarge(PenstockError):
    """An event is over the size limit: put the data in the blob store and send its reference."""


class Unavailable(PenstockError):
    """Redis or the database can't take this now; try again.

    Nothing was done, unless only the answer was lost: what is to happen once needs an id, a key or a version.
    """


class NewerData(Unavailable):
    """Data of a version that came after this code. Nothing is wrong with it: newer code reads it."""

    def __init__(self, type: str, version: int, known: int):
        self.type, self.version, self.known = type, version, known
        super().__init__(
            f"{type} comes in version {version} here, and this code knows version {known}: it is left to newer "
            "code. Deploy that, or restart the workers that run an older release."
        )


class NotFound(PenstockError):
    """What was named does not exist."""


class Conflict(PenstockError):
    """Someone else changed it first, or it is in a state that does not allow this."""


class Refused(PenstockError):
    """The request was understood and is not allowed; the message says why."""


class NotAllowed(Refused):
    """Who asks lacks the role, or the scope, that this takes."""


class InvalidCommand(Refused):
    """What a command was given does not fit; `problems` has each `field` and the `problem` in words."""

    def __init__(self, detail: str, problems: Sequence[dict[str, Any]]):
        self.problems = list(problems)
        super().__init__(detail)
