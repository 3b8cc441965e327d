"""Time travel: any aggregate as it was at a version or a time, for API, command line and console.

Where this process doesn't know the class behind a stream (the web process imports no handlers),
its events are told all the same, without fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from app.errors import NotFound, Refused
from app.events.event import PRIVATE
from app.sourcing.history import Step, Told, tell
from app.sourcing.kind import KINDS, Kinds
from app.store.eventstore.recorded import Recorded
from app.store.eventstore.store import EventStore
from app.store.moments import iso, seconds
from app.store.page import BadCursor, Page, cursor_of, read_cursor


class Past:
    def __init__(self, store: EventStore, kinds: Kinds = KINDS):
        self._store = store
        self._kinds = kinds

    def find(
        self, category: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page[dict[str, Any]]:
        """The streams, those that began last first: `stream`, `category`, `version`, `began`, `changed`."""
        return self._store.streams(category, limit, cursor)

    def get(self, stream: str, *, version: int | None = None, at: Any = None) -> dict[str, Any]:
        """`{"stream", "category", "known", "version", "newest", "recorded", "state", "why"}`.

        `why` names for each field the event that gave it its value, and the actor.
        Raises `NotFound` where there was nothing then, `Refused` for a time that is none.
        """
        newest, last = self._last(stream, version, at)
        return self._get(stream, newest, last, self._replayed(stream, last.version))

    def with_step(
        self, stream: str, version: int, watch: Callable[[int], None] | None = None
    ) -> dict[str, Any]:
        """What `get` tells, with the `step` that led to that version. Raises as `get` does.

        `watch` is called with the version before each event that is replayed, and may raise.
        """
        newest, last = self._last(stream, version, None)
        told = self._replayed(stream, version, watch)
        found = self._get(stream, newest, last, told)
        return {**found, "step": _show(told.steps[-1] if told else Step(last, []))}

    def _replayed(
        self, stream: str, version: int, watch: Callable[[int], None] | None = None
    ) -> Told | None:
        """None where this process doesn't know the kind."""
        kind = self._kinds.of(stream)
        if kind is None:
            return None
        events = self._store.read(stream, until_version=version)
        return tell(kind, stream.partition(":")[2], _watched(events, watch) if watch else events)

    @staticmethod
    def _get(stream: str, newest: int, last: Recorded, told: Told | None) -> dict[str, Any]:
        return {
            "stream": stream,
            "category": stream.partition(":")[0],
            "known": told is not None,
            "version": last.version,
            "newest": newest,
            "recorded": iso(last.recorded),
            "state": told.fields if told else None,
            "why": {path: _place(by) for path, by in told.why.items()} if told else {},
        }

    def version_at(self, stream: str, version: int | None = None, at: Any = None) -> int:
        """The version that `get` would tell of; no code of the aggregate runs. Raises as `get` does."""
        _, last = self._last(stream, version, at)
        return last.version

    def _last(self, stream: str, version: int | None, at: Any) -> tuple[int, Recorded]:
        """The newest version, and the event that is asked for."""
        newest = self._newest(stream)
        if version is not None and at is not None:
            raise Refused("Say either `version`, or `at` for a time.")
        if version is not None and version < 1:
            raise Refused(f"{stream} has versions from 1 to {newest}: {version} is none of them.")
        found = self._store.read(
            stream, from_version=version, until_version=version, at=at, backwards=True
        )
        last = next(found, None)
        if last is None or (version is not None and version > newest):
            when = f"at version {version}" if version is not None else f"at {iso(seconds(at))}"
            raise NotFound(
                f"{stream} wasn't there {when}: its versions are 1 to {newest}, and it began "
                f"{iso(self._began(stream))}."
            )
        return newest, last

    def history(
        self, stream: str, limit: int = 50, cursor: str | None = None
    ) -> Page[dict[str, Any]]:
        """Each event with its data, its actor, its cause and the fields that it changed, newest first.

        `published` is whether the relay brings it to its topic, so that the archive has it.
        """
        newest = self._newest(stream)
        last = read_cursor(cursor, int)[0] if cursor else newest
        if not 1 <= last <= newest:
            raise BadCursor(f"cursor {cursor!r} was not given out by this list: leave it out")
        shown = self._steps(stream, max(1, last - limit + 1), last)
        before = shown[0].recorded.version - 1
        items = [_show(step) for step in reversed(shown)]
        return Page(items, cursor_of(before) if before else None)

    def step(self, stream: str, version: int) -> dict[str, Any]:
        """One event of a history, as there. Raises `NotFound`."""
        self._newest(stream)
        steps = self._steps(stream, version, version)
        if not steps or steps[-1].recorded.version != version:
            raise NotFound(f"{stream} has no version {version}.")
        return _show(steps[-1])

    def _steps(self, stream: str, first: int, last: int) -> list[Step]:
        kind = self._kinds.of(stream)
        if kind is None:
            events = self._store.read(stream, from_version=first, until_version=last)
            return [Step(recorded, []) for recorded in events]
        events = self._store.read(stream, until_version=last)
        return tell(kind, stream.partition(":")[2], events, since=first).steps

    def _newest(self, stream: str) -> int:
        version = self._store.version(stream)
        if not version:
            raise NotFound(
                f"There is no stream {stream!r}; `python -m app aggregates list` shows those there are."
            )
        return version

    def _began(self, stream: str) -> float:
        return next(self._store.read(stream, until_version=1)).recorded


def _watched(events: Iterable[Recorded], watch: Callable[[int], None]) -> Iterator[Recorded]:
    for recorded in events:
        watch(recorded.version - 1)
        yield recorded


def _place(recorded: Recorded) -> dict[str, Any]:
    return {
        "version": recorded.version,
        "type": recorded.type,
        "event": recorded.event.id,
        "actor": recorded.actor,
        "recorded": iso(recorded.recorded),
    }


def _show(step: Step) -> dict[str, Any]:
    return {
        **_place(step.recorded),
        "cause": step.recorded.event.causationid,
        "published": PRIVATE not in step.recorded.event.extensions,
        "position": step.recorded.position,
        "data": step.recorded.event.to_dict().get("data"),
        "changes": [change._asdict() for change in step.changes],
    }
