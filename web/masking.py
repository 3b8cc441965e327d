"""What somebody who may not see sensitive fields is given instead of the platform's answers.

`current_platform()` hands out its reading parts through `Masked`, so a page, a
route, a stream and an export can't forget: whatever CloudEvent is in an answer
has its marked fields masked, and their texts are taken out of the errors and
tracebacks that stand beside it. Roles operator and administrator see them, and
tokens with the scopes `operate` and `admin`. A search finds nothing by what is
masked, or it could be guessed letter by letter.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from app.errors import Refused
from app.events import sensitive
from app.events.event import Event
from app.store.columns import key
from app.store.data_match import DataMatch
from app.store.page import Page
from app.webhooks import address
from web.rendering import encode

PARTS = (
    "archive",
    "dead_letters",
    "failures",
    "outgoing",
    "past",
    "projections",
    "replays",
    "runs",
    "subscriptions",
    "topics",
    "webhooks",
)
WITH_ADDRESSES = ("subscriptions", "webhooks")
"""Whose answers have addresses of webhooks in them, whatever the schemas mark."""
SAID = ("error", "title")
PLAIN = (str, int, float)
BELIEVED = 2.0
"""Seconds for which the schemas in SQL are believed without looking again."""


class Masks:
    """The marked fields of every type, by the schemas in SQL. One for each process."""

    def __init__(self, platform: Any):
        self.platform = platform
        self._looked = float("-inf")
        self._schemas: dict[str, list[Any]] = {}

    def of(self, type: str) -> list[Any]:
        """The schemas of a type that mark something."""
        return self._known().get(type, [])

    def any(self) -> bool:
        return bool(self._known())

    def hides(self, path: Iterable[str], type: str | None) -> bool:
        """Whether some type, or this one, marks what lies at a path of its data."""
        return any(
            sensitive.marked_at(schema, path)
            for name, schemas in self._known().items()
            if type is None or key(name) == key(type)
            for schema in schemas
        )

    def _known(self) -> dict[str, list[Any]]:
        if time.monotonic() - self._looked > BELIEVED:
            known: dict[str, list[Any]] = {}
            for row in self.platform.schemas.all():
                if sensitive.marks_any(row["schema"]):
                    known.setdefault(row["type"], []).append(row["schema"])
            self._schemas, self._looked = known, time.monotonic()
        return self._schemas

    def applied(self, value: Any) -> Any:
        """An answer of the platform with every event in it masked."""
        if value is None or isinstance(value, PLAIN):  # nearly all there is in an answer
            return value
        if isinstance(value, Event):
            schemas = self.of(value.type)
            return value.but(data=sensitive.masked(plain(value), schemas)) if schemas else value
        if isinstance(value, dict):
            return self._mapping(value)
        if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
            return type(value)(map(self.applied, value))
        if hasattr(value, "items") and hasattr(value, "next") and isinstance(value.items, list):
            return Page(self.applied(value.items), value.next)
        if isinstance(value, Iterator):
            return (self.applied(each) for each in value)
        return value

    def _mapping(self, value: dict[str, Any]) -> dict[str, Any]:
        if isinstance(hook := value.get("webhook"), dict) and "url" in hook:
            value = {**value, "webhook": {**hook, "url": address.shown(hook["url"])}}
        if "data" in value and ("specversion" in value or "position" in value):
            return self._event(value)
        shown = {name: self.applied(inner) for name, inner in value.items()}
        self._unsaid(value, shown)
        event, seen = value.get("event"), shown.get("event")
        if isinstance(event, dict) and event != seen and isinstance(seen, dict):
            hidden = sensitive.hidden_texts(event.get("data"), seen.get("data"))
            shown = {n: _without(v, hidden) if n != "event" else v for n, v in shown.items()}
        return shown

    def _unsaid(self, value: dict[str, Any], shown: dict[str, Any]) -> None:
        """Errors that stand by themselves: of a step, a replay's item, a group, a projection.

        The data that they may repeat is not beside them, so of a type that marks something only
        the kind of the error is left.
        """
        type = value.get("type")
        if isinstance(type, str) and self.of(type):
            whole = not isinstance(value.get("event"), dict)  # a letter has its event beside it
            for name in SAID if whole else ("title",):
                if isinstance(shown.get(name), str):
                    shown[name] = _kind(shown[name])
            for name in ("this", "other"):  # the two sides of a comparison
                if isinstance(shown.get(name), dict):
                    shown[name] = _short(shown[name])
            for name in ("history", "attempts") if whole else ():
                if isinstance(shown.get(name), list):
                    shown[name] = [_short(attempt) for attempt in shown[name]]
        if "type" not in value and "position" in value and isinstance(value.get("error"), str):
            # left out by a projection before types were noted
            shown["error"] = _kind(value["error"])
        problem = value.get("problem")
        if isinstance(problem, str) and any(type in problem for type in self._known()):
            place, _, error = problem.partition(": ")
            shown["problem"] = f"{place}: {sensitive.MASK}" if error else sensitive.MASK

    def _event(self, value: dict[str, Any]) -> dict[str, Any]:
        """A CloudEvent, or a step of an aggregate's history, whose changes repeat what is in its data."""
        schemas = self.of(str(value.get("type")))
        if not schemas:
            return value
        data = sensitive.masked(value["data"], schemas)
        hidden = sensitive.hidden_texts(value["data"], data)
        others = {name: _without(each, hidden) for name, each in value.items() if name == "changes"}
        return {**value, **others, "data": data}


class Masked:
    """One part of the platform, whose answers are masked."""

    def __init__(self, part: Any, masks: Masks, always: bool = False):
        self._part, self._masks, self._always = part, masks, always

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)
        if not callable(found):
            return found

        def called(*arguments: Any, **named: Any) -> Any:
            if not self._masks.any():
                answer = found(*arguments, **named)
                always = self._always or isinstance(answer, Iterator)
                return self._masks.applied(answer) if always else answer
            self._refuse_guessing(named)
            if named.get("expression"):  # asked of what is shown, or it would tell what is not
                named["seen"] = self._masks.applied
            answer = self._masks.applied(found(*arguments, **named))
            words = named.get("q")
            if words and isinstance(answer, list):
                return [item for item in answer if self._finds(item, words)]
            if words and isinstance(answer, Page):
                return Page([i for i in answer.items if self._finds(i, words)], answer.next)
            return answer

        return called

    def _refuse_guessing(self, named: dict[str, Any]) -> None:
        """A condition on a masked field would tell its value."""
        condition = named.get("data")
        if isinstance(condition, str):
            path = DataMatch.parse(condition).path
            if self._masks.hides(path, named.get("type") or None):
                field = ".".join(path)
                raise Refused(
                    f"The field {field} is masked for you in some type: search by another one, or name the root "
                    "event's type beside it where that one isn't masked."
                )

    def _finds(self, item: Any, words: str) -> bool:
        """Whether it is found by what is shown; by its other parts where nothing is masked."""
        event = item.get("event", item) if isinstance(item, dict) else {}
        if not (isinstance(event, dict) and self._masks.of(str(event.get("type")))):
            return True
        return words.casefold() in encode(item).decode().casefold()


class MaskedPlatform:
    """The platform as whoever asks may see it; `sees` says whether that is everything."""

    def __init__(self, platform: Any, masks: Masks, sees: Callable[[], bool]):
        self._platform, self._masks, self._sees = platform, masks, sees

    def __getattr__(self, name: str) -> Any:
        part = getattr(self._platform, name)
        if name not in PARTS or self._sees():
            return part
        return Masked(part, self._masks, always=name in WITH_ADDRESSES)


def _kind(error: str) -> str:
    """`ValueError: •••` of `ValueError: the message`."""
    kind, colon, _ = error.partition(":")
    named = colon and kind.replace(".", "").replace("_", "").isidentifier()
    return f"{kind}: {sensitive.MASK}" if named else sensitive.MASK


def _short(attempt: Any) -> Any:
    """An attempt with the kind of its error, and without its traceback."""
    if not isinstance(attempt, dict):
        return attempt
    said = {n: _kind(attempt[n]) for n in SAID if isinstance(attempt.get(n), str)}
    return {**attempt, **said} | ({"traceback": None} if "traceback" in attempt else {})


def plain(event: Event) -> Any:
    return event.to_dict().get("data")


def _without(value: Any, hidden: set[str]) -> Any:
    if isinstance(value, str):
        for text in sorted(hidden, key=len, reverse=True):
            value = value.replace(text, sensitive.MASK)
        return value
    if isinstance(value, dict):
        return {name: _without(inner, hidden) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without(inner, hidden) for inner in value]
    return value
