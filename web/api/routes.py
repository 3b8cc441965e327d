"""The table that the API's routes and its OpenAPI document are both made from.

A view is declared with `@route(...)`: who may call it, which query parameters
it takes, the JSON Schema of its body, what it answers. Parameters and body
are checked against that declaration before the view runs, so the document
can't promise what the code does not do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from flask import Blueprint, Response

from web.api.body import read_body
from web.api.once import FORM, for_its_key
from web.api.parameters import Parameter, read_query
from web.api.positions import (
    AFTER,
    OUTCOMES,
    behind,
    marked_stale,
    refuse_position,
    takes_stale,
    waited_for,
)
from web.auth import accepts_body, requires
from web.auth.guard import SAFE_METHODS
from web.rendering import answer

JsonSchema = Mapping[str, Any]
Answer = Any


@dataclass(frozen=True)
class Body:
    """What a route reads. `optional`: an empty body counts as `{}`."""

    schema: JsonSchema
    optional: bool = False
    media: Sequence[str] = ("application/json",)
    parsed: bool = True  # by us, as JSON, and handed to the view as `body`
    rules: JsonSchema = field(default_factory=dict)  # said in the document; the view checks them


@dataclass(frozen=True)
class Route:
    """One row of the table."""

    method: str
    path: str
    level: str
    summary: str
    view: Callable[..., Answer]
    answers: JsonSchema
    status: int = 200
    query: Sequence[Parameter] = ()
    body: Body | None = None
    media: Sequence[str] = ("application/json",)
    may_fail: Sequence[int] = ()
    also: Sequence[int] = ()  # other good statuses of the same shape
    follows: str | None = (
        None  # the read model that it is served from; `<name>`: the path's variable; or OUTCOMES
    )
    keyed: bool = False
    tag: str = field(default="")

    @property
    def once(self) -> bool:
        """Whether it is done once for each `Idempotency-Key`."""
        return self.keyed and not hasattr(self.view, "unaudited")

    @property
    def endpoint(self) -> str:
        return self.view.__name__


ROUTES: list[Route] = []


def route(
    method: str,
    path: str,
    level: str,
    *,
    answers: JsonSchema,
    status: int = 200,
    query: Sequence[Parameter] = (),
    body: Body | None = None,
    media: str | Sequence[str] = "application/json",
    may_fail: Sequence[int] = (),
    also: Sequence[int] = (),
    max_body: int | None = None,
    follows: str | None = None,
    once: bool = True,
) -> Callable[[Callable[..., Answer]], Callable[..., Any]]:
    """Add a view to the table. Its docstring's first line is the route's summary.

    The view gets the path's variables, the query's parameters and, where the
    route reads JSON, `body`; it returns a JSON value or a Response. One that `follows` a
    read model waits for the position that the client asks for, one of `OUTCOMES` refuses it
    (`web.api.positions`). What changes something is done once for each `Idempotency-Key` (`web.api.once`),
    unless it is not for that: it changes nothing, or its answer holds a secret or an event's data, of which
    no copy is kept.
    """
    waits = follows is not None and follows != OUTCOMES
    taken = (*query, AFTER) if waits else tuple(query)
    changes = method not in SAFE_METHODS and (body is None or body.parsed or FORM in body.media)

    def decorate(view: Callable[..., Answer]) -> Callable[..., Any]:
        @requires(level)
        @wraps(view)
        def called(**variables: Any) -> Response:
            if follows == OUTCOMES:
                refuse_position()
            values = dict(variables, **read_query(taken))
            late = None
            if follows and waits:
                model = str(variables[follows[1:-1]]) if follows[0] == "<" else follows
                late = waited_for(model, values.pop("after"))
                if late and not takes_stale():
                    return behind(late)
            if body is not None and body.parsed:
                values["body"] = read_body(body.schema, optional=body.optional)

            def respond() -> Response:
                result = view(**values)
                return result if isinstance(result, Response) else answer(result, status)

            response = for_its_key(row.endpoint, values, respond) if row.once else respond()
            return marked_stale(response, late) if late else response

        guarded = accepts_body(max_body)(called) if max_body else called
        summary = (view.__doc__ or "").strip().splitlines()[0].rstrip(".")
        tag = path.split("/")[1]
        answered = (media,) if isinstance(media, str) else tuple(media)
        row = Route(
            method, path, level, summary, guarded, answers, status, taken, body, answered, may_fail,
            also, follows, once and changes, tag,
        )  # fmt: skip
        ROUTES.append(row)
        return guarded

    return decorate


def add_routes(blueprint: Blueprint) -> None:
    for row in ROUTES:
        blueprint.add_url_rule(row.path, row.endpoint, row.view, methods=[row.method])
