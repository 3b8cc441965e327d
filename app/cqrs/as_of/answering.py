"""`penstock.as-of` and `penstock.aggregates-as-of`: the worker's side of what is asked."""

from __future__ import annotations

from app.cqrs.as_of.bounded import SECONDS
from app.events.event import Event
from app.events.topics import AGGREGATE_ASKED, PROJECTION_ASKED
from app.subscriptions.context import Context
from app.subscriptions.declaration import on
from app.subscriptions.retry import RetryPolicy

NAME, AGGREGATES = "penstock.as-of", "penstock.aggregates-as-of"


@on(
    PROJECTION_ASKED, name=NAME, lane="default", ordered=True, priority="low", timeout=5 * SECONDS,
    retry=RetryPolicy(attempts=3, base=0.5), effects="none",
)  # fmt: skip
def tell_projection(event: Event, ctx: Context) -> None:
    """Tell how a projection was: one question after the other, so that they take one slot at most."""
    ctx.platform.projections_as_of.reply(event)


@on(
    AGGREGATE_ASKED, name=AGGREGATES, lane="default", ordered=True, priority="low", timeout=5 * SECONDS,
    retry=RetryPolicy(attempts=3, base=0.5), effects="none",
)  # fmt: skip
def tell_aggregate(event: Event, ctx: Context) -> None:
    """Tell how an aggregate was."""
    ctx.platform.aggregates_as_of.reply(event)
