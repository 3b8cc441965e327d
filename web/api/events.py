"""/events: publish, search, follow."""

from __future__ import annotations

import re
from typing import Any

from flask import Response, request

from app.errors import NotFound
from app.events.cloudevents import BATCHED, STRUCTURED, parse_request
from web.api.body import whole_body
from web.api.pages import rendered
from web.api.parameters import PAGE, SINCE, UNTIL, Parameter, Q
from web.api.routes import Body, route
from web.api.shapes import CLOUD_EVENT, COUNT, NEW_EVENT, TEXT, TIME, many, obj, page_of
from web.auth import unaudited
from web.platform import current_platform
from web.problems import BadInput
from web.rendering import cloud_event
from web.sse import event_stream
from web.tailing import Tail, Wanted, write_positions

EXPRESSION = Parameter(
    "expression", "In CEL, on the event and its data: `data.amount > 100 && event.subject == 'a'`."
)
LARGEST_BATCH = 32 * 1024 * 1024

ACCEPTED = obj({"accepted": COUNT, "duplicates": COUNT, "ids": many(TEXT)})
ARCHIVED = obj(
    {"event": CLOUD_EVENT, "topic": TEXT, "partition": COUNT, "position": TEXT, "archived": TIME}
)


@unaudited("an event is its own record, with its source and time, in the archive")
@route(
    "POST", "/events", "publisher", answers=ACCEPTED, status=202, may_fail=(413, 422, 503),
    max_body=LARGEST_BATCH,
    query=(Parameter("durable", "Answer when the events are on Redis's disk (7.2 or newer).", "flag",
                     default=False),),
    body=Body({"oneOf": [NEW_EVENT, {**many(NEW_EVENT), "minItems": 1}]}, parsed=False,
              media=(STRUCTURED, BATCHED, "application/json")),
)  # fmt: skip
def publish_events(durable: bool) -> dict[str, Any]:
    """Publish CloudEvents: structured, batched or binary.

    One bad event refuses the batch, and the answer names each bad one.
    """
    events = parse_request(request.content_type or "", dict(request.headers), whole_body())
    if not events:
        raise BadInput("The batch is empty: send one event or more.")
    new = current_platform().publisher.publish(events, durable=durable)
    return {
        "accepted": sum(new),
        "duplicates": len(new) - sum(new),
        "ids": [event.id for event in events],
    }


@route(
    "GET", "/events", "viewer", answers=page_of(CLOUD_EVENT), follows="events",
    query=(Parameter("type", "The event type."), Parameter("subject", "The subject."),
           Parameter("partitionkey", "The partition key."),
           Parameter("correlationid", "The run that the event belongs to."),
           Parameter("topic", "The topic."), EXPRESSION, SINCE, UNTIL, Q, *PAGE),
    may_fail=(422,),
)  # fmt: skip
def find_events(**filters: Any) -> dict[str, Any]:
    """Search the archive; newest first.

    A search by `q` or `expression` may end with a short page and a `next` from where to go on.
    """
    return rendered(current_platform().archive.find(**filters), cloud_event)


@route("GET", "/events/<path:id>", "viewer", answers=ARCHIVED, may_fail=(404,), follows="events")
def get_event(id: str) -> dict[str, Any]:
    """One archived event and where it is kept."""
    found = current_platform().archive.get(id)
    if found is None:
        raise NotFound(f"No event with the id {id!r} is in the archive (new ones take a second).")
    return {**found, "event": cloud_event(found["event"])}


@route(
    "GET", "/events/stream", "viewer", answers=TEXT, media="text/event-stream",
    may_fail=(422, 503),
    query=(Parameter("type", "Event types, separated by commas; by default all."),
           Parameter("subject", "Only this subject."),
           Parameter("partitionkey", "Only this partition key."), EXPRESSION,
           Parameter("most", "How many a second at most; what is above is counted in messages "
                             "`missed`. By default all are sent.", "limit"),
           Parameter("since", "`$` (from now, the default), `0` (all that is kept), or "
                              "milliseconds since 1970.", default="$"),
           Parameter("after", "The id of a message, to go on exactly after it; the header "
                              "`Last-Event-ID` goes before.")),
)  # fmt: skip
def stream_events(
    type: str | None, subject: str | None, partitionkey: str | None, expression: str | None,
    most: int | None, since: str, after: str | None,
) -> Response:  # fmt: skip
    """Follow events as they are published (server-sent events).

    Each message `event` has a CloudEvent as its data. `Last-Event-ID`, which browsers send
    by themselves, goes on exactly after the last message that arrived. A message `failed` says on
    how many events the expression failed, and why.
    """
    if not re.fullmatch(r"\$|\d{1,18}(-\d{1,18})?", since):
        raise BadInput(f"since is {since[:40]!r}; write `$`, `0` or milliseconds since 1970.")
    types = [name.strip() for name in type.split(",") if name.strip()] if type else None
    tail = Tail(Wanted(subject, partitionkey, expression), most)
    positions = read_positions(request.headers.get("Last-Event-ID") or after or "")
    followed = current_platform().topics.follow(types, since, positions)
    return event_stream(tail.messages(followed, positions))


def read_positions(id: str) -> dict[str, bytes]:
    """What `write_positions` wrote; empty for what it did not write."""
    found = re.findall(r"([^,=\s]+)=(\d{1,18}-\d{1,18})(?:,|$)", id)
    if write_positions({name: at.encode() for name, at in found}) != id:
        return {}
    return {name: at.encode() for name, at in found}
