"""Which dead letters or events a form is about, and how they shall be sent again.

The same fields travel from the panel through the confirmation to the deed, so
that what was previewed is what is sent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from app.errors import Refused
from web.api.parameters import parse_time
from web.console import words
from web.console.pages import go, query, say, since

IN_WORDS = {"subscription": "the subscription", "type": "the type", "q": "the text"}
FILTERS = tuple(IN_WORDS)
CANARY = 10
Fields = MultiDict[str, str]


@dataclass(frozen=True)
class Choice:
    """What was chosen: the platform's selection, in words, and the fields that say it again."""

    selection: dict[str, Any]
    words: str
    fields: list[tuple[str, str]]


def read_selection(form: Fields) -> Choice:
    """The selection that a form's `scope` and its fields make. Refused where it is empty."""
    scope = form.get("scope", "selected")
    if scope == "selected":
        ids = [id_ for id_ in form.getlist("id") if id_]
        if not ids:
            raise Refused("Nothing was ticked. Tick some dead letters, or choose all of a group.")
        return Choice(
            {"dead_letters": ids},
            words.plural(len(ids), "chosen dead letter"),
            [("scope", scope), *(("id", id_) for id_ in ids)],
        )
    if scope == "group" and form.get("group"):
        group = form["group"]
        return Choice(
            {"group": group}, "all dead letters of the group", [("scope", scope), ("group", group)]
        )
    if scope == "filter":
        return _filter(form)
    if scope == "events":
        return _past(form)
    raise Refused(
        "Choose what to send: ticked ones, a group, or everything that the filters match."
    )


def choose_again(why: str) -> ResponseReturnValue:
    """Back to the failures that the panel stood beside, with the reason said there."""
    say(why, "error")
    kept = {name: request.args.get(name) for name in ("group", "since", *FILTERS)}
    return go(f"/failures{query(kept)}")


def _filter(form: Fields) -> Choice:
    chosen = {name: form[name].strip() for name in FILTERS if form.get(name, "").strip()}
    fields = [("scope", "filter"), *chosen.items()]
    parts = [f"{IN_WORDS[name]} {value}" for name, value in chosen.items()]
    # The start of the window is fixed when it is previewed, and travels as an instant.
    start = form.get("start") or words.iso(since(form.get("since", "all")))
    if start:
        chosen["since"] = start
        fields.append(("start", start))
        parts.append(f"parked since {start}")
    return Choice(
        {"filter": chosen},
        f"all dead letters with {' and '.join(parts)}" if parts else "all dead letters",
        fields,
    )


def _past(form: Fields) -> Choice:
    """Archived events, for one subscription."""
    names = ("type", "subject", "partitionkey", "q", "since", "until", "expression")
    chosen = {name: form[name].strip() for name in names if form.get(name, "").strip()}
    target = form.get("to", "").strip()
    if not target:
        raise Refused("Choose the subscription that is to have these events.")
    for name in ("since", "until"):
        if name in chosen:
            chosen[name] = words.iso(parse_time(name, chosen[name]))
    if not chosen:
        raise Refused("Say which events: a type, a key, a time, or an expression.")
    return Choice(
        {"events": chosen, "subscription": target},
        "archived events with " + ", ".join(f"{name} {value}" for name, value in chosen.items()),
        [("scope", "events"), ("to", target), *chosen.items()],
    )


def read_options(form: Fields) -> dict[str, Any]:
    """Canary, rate, stop rule and reason, as `platform.replays` takes them."""
    options: dict[str, Any] = {}
    canary = _number(form, "canary", int, 0, 1_000_000)
    if canary:
        options["canary"] = canary
    rate = _number(form, "rate", float, 0, 100_000)
    if rate:
        options["rate"] = rate
    stop = _number(form, "stop", float, 0, 100)
    if stop is not None:
        options["stop_above"] = stop / 100
    if form.get("edits") == "prepared":
        options["prepared_edits"] = True
    if form.get("patch", "").strip():
        options["edits"] = {"*": _patch(form["patch"])}
    for name in ("subscription_to", "reason"):
        if form.get(name, "").strip():
            options[name.removesuffix("_to")] = form[name].strip()
    return options


def _patch(text: str) -> list[dict[str, Any]]:
    try:
        patch = json.loads(text)
    except ValueError as error:
        raise Refused(f"The patch is not JSON: {error}.") from None
    if not isinstance(patch, list) or not all(isinstance(one, dict) for one in patch):
        raise Refused(
            'A patch is a list of operations: [{"op": "replace", "path": "/data/currency",'
            ' "value": "EUR"}].'
        )
    return patch


def _number(form: Fields, name: str, kind: Any, low: float, high: float) -> Any:
    text = form.get(name, "").strip()
    if not text:
        return None
    try:
        value = kind(text)
    except ValueError:
        raise Refused(f"{name} is a number, not {text!r}.") from None
    if not low <= value <= high:
        raise Refused(f"{name} is between {low:g} and {high:g}, not {text}.")
    return value
