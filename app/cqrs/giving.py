"""Commands through a topic: given as an event, carried out once, answered by an event.

`command.given` goes to the topic `command`; the subscription `penstock.commands` carries it out
and answers with `command.done` or `command.refused`, whose cause it is. A command whose code
fails is tried again, and parked like any delivery: replayed, it is carried out.
"""

from __future__ import annotations

from app.cqrs.events import CommandDone, CommandRefused
from app.events.event import Event
from app.events.topics import COMMAND_DONE, COMMAND_GIVEN, COMMAND_REFUSED
from app.store.commands import SUBSCRIPTION
from app.subscriptions.context import Context
from app.subscriptions.declaration import on
from app.subscriptions.retry import RetryPolicy

NAME = SUBSCRIPTION


@on(
    COMMAND_GIVEN, emits=[COMMAND_DONE, COMMAND_REFUSED], name=NAME, lane="default", priority="high",
    retry=RetryPolicy(attempts=5, base=0.5), effects="idempotent",
)  # fmt: skip
def give(event: Event, ctx: Context) -> Event:
    """Carry out a command, once however often it comes."""
    told = ctx.platform.commands.carry_out(event)
    named = {"command": told["command"], "actor": told["actor"]}
    if told["state"] == "refused":
        return Event(type=COMMAND_REFUSED, data=CommandRefused(**named, **told["problem"]))
    done = {"answer": told["answer"], "position": told["position"]}
    return Event(type=COMMAND_DONE, data=CommandDone(**named, **done))
