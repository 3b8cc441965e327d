"""`penstock.as-of`: the worker's side of `app.cqrs.looking`."""

from __future__ import annotations

from app.cqrs.looking import SECONDS
from app.events.event import Event
from app.events.topics import PROJECTION_ASKED
from app.subscriptions.context import Context
from app.subscriptions.declaration import on
from app.subscriptions.retry import RetryPolicy

NAME = "penstock.as-of"


@on(
    PROJECTION_ASKED, name=NAME, lane="default", ordered=True, priority="low", timeout=5 * SECONDS,
    retry=RetryPolicy(attempts=3, base=0.5), effects="none",
)  # fmt: skip
def look(event: Event, ctx: Context) -> None:
    """Tell how a projection was: one question after the other, so that they take one slot at most."""
    ctx.platform.projections.looking.look(event)
