"""Which sessions somebody may see and end: their own, and an administrator everybody's."""

from __future__ import annotations

from typing import Any

from web.auth.guard import current_identity
from web.platform import current_platform


def visible(actor: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = current_platform().sessions.find(_only(actor))
    return found


def end(id: str, actor: str) -> dict[str, Any]:
    """End one, and write it down. Raises `NotFound` where it is not theirs to end."""
    platform = current_platform()
    with platform.audit.changing(actor, "session.revoked", f"session:{id}") as change:
        ended: dict[str, Any] = platform.sessions.revoke(id, actor, _only(actor))
        change.before = {name: ended[name] for name in ("user", "address", "begun")}
    return ended


def _only(actor: str) -> str | None:
    """The user to whose sessions this actor is held; None: any. A token has none of its own."""
    identity = current_identity()
    if identity is not None and identity.may("administrator"):
        return None
    kind, _, name = actor.partition(":")
    return name if kind == "user" else ""
