"""Who asks, and what they may do: pure values, no request and no database.

People have a role, tokens have scopes; both come down to the same four
permissions, so that a route says once what it needs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ROLES = ("viewer", "operator", "administrator")
SCOPES = ("read", "publish", "operate", "admin")
EVERYTHING = frozenset(SCOPES)

# A scope grants little beside itself: a producer's token can't read what others publish.
_OF_SCOPE = {
    "read": frozenset({"read"}),
    "publish": frozenset({"publish"}),
    "operate": frozenset({"read", "operate"}),
    "admin": EVERYTHING,
}
_OF_ROLE = {
    "viewer": frozenset({"read"}),
    "operator": frozenset({"read", "publish", "operate"}),
    "administrator": EVERYTHING,
}
# What `@requires(level)` asks for. "publisher" is for routes that bring events in; "anybody" for
# those whose core decides, by what `Identity.levels` says.
ANYBODY = "anybody"
LEVELS = {
    ANYBODY: "any",
    "viewer": "read",
    "publisher": "publish",
    "operator": "operate",
    "administrator": "admin",
}


@dataclass(frozen=True)
class Identity:
    """Somebody who was recognised. `actor` is what the audit log shows."""

    actor: str
    permissions: frozenset[str]

    def may(self, level: str) -> bool:
        """Whether a route that requires `level` is open to them."""
        return bool(self.permissions) if level == ANYBODY else LEVELS[level] in self.permissions

    @property
    def levels(self) -> list[str]:
        """Those that they have, for a core that decides itself."""
        return [level for level in LEVELS if level != ANYBODY and self.may(level)]

    @classmethod
    def of_user(cls, name: str, role: str) -> Identity:
        return cls(f"user:{name}", _OF_ROLE.get(role, frozenset()))

    @classmethod
    def of_token(cls, name: str, scopes: Iterable[str]) -> Identity:
        granted = [_OF_SCOPE.get(scope, frozenset()) for scope in scopes]
        return cls(f"token:{name}", frozenset().union(*granted))
