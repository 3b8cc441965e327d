"""The event store: append with an expected version, read a stream or all of them.

Guarantees: a stream's versions are 1, 2, 3, … without a hole; of two who append at the same
expected version, one gets a `VersionConflict` that says who won; what was appended never
changes; and a reader that goes on `after` the last position it read skips nothing, whoever
is still writing (decision 31). Writers' throughput rises with their number.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import msgspec
import psycopg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlmodel import Session

from app import origin
from app.clock import Clock, SystemClock
from app.errors import InvalidEvents
from app.events.catalogue import Catalogue
from app.events.event import Event
from app.events.schema import TYPES
from app.store.after_commit import once_committed
from app.store.database import Database, check_writes
from app.store.eventstore import postgres, sqlite
from app.store.eventstore.open_appends import OpenAppends
from app.store.eventstore.reading import Reader
from app.store.eventstore.recorded import Appended, Recorded
from app.store.eventstore.request import (
    Request,
    Row,
    check_actor,
    check_expected,
    check_place,
    check_stream,
    check_versions,
    checked_events,
    row,
)
from app.store.failures import translated
from app.store.outbox import wake_after
from app.store.page import Page

Entry = tuple[str, Sequence[Event], int | None]
"""A stream, events for it, and the version that it must be at (None: any)."""

LARGEST_EVENT = 1024 * 1024


class EventStore:
    """`catalogue` knows the types: what is appended is checked, what is read is of their newest class.

    `wake` is called after a commit: a hint to those who read on.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock | None = None,
        catalogue: Catalogue | None = None,
        largest_event: int = LARGEST_EVENT,
        wake: Callable[[], None] | None = None,
    ):
        self._database = database
        self._clock = clock or SystemClock()
        self._catalogue = catalogue or Catalogue(TYPES)
        self._largest = largest_event
        self._wake = wake
        self._appender = (
            sqlite.SqliteAppender(database)
            if database.on_sqlite
            else postgres.PostgresAppender(database)
        )
        self._reader = Reader(database)
        self._open = OpenAppends(database)

    # Writing

    def append(
        self,
        stream: str,
        events: Sequence[Event] | Event,
        expected_version: int | None = None,
        *,
        actor: str | None = None,
        session: Session | None = None,
    ) -> Appended:
        """Append to one stream, all or none; its new version and the position of its newest event.

        `expected_version` is the version that was read (0: the stream must not exist; None: any).
        With a `session` it takes part in that transaction, and is durable when that is. The extension
        `subjectkey` of an event is kept beside it, for finding what a person's key enciphers.
        Raises `VersionConflict`, and `InvalidEvents` where data doesn't fit its type.
        """
        given = [events] if isinstance(events, Event) else events
        at, by = self._clock.now(), check_actor(actor)
        stream, expected = check_stream(stream), check_expected(expected_version)
        return self._append([Request(stream, expected, at, by, self._rows(given))], session)[0]

    def append_many(
        self,
        entries: Sequence[Entry],
        *,
        actor: str | None = None,
        session: Session | None = None,
    ) -> list[Appended]:
        """Append to several streams in one transaction, all or none; one result for each entry."""
        if not entries:
            return []
        at, by = self._clock.now(), check_actor(actor)
        requests = [
            Request(check_stream(stream), check_expected(expected), at, by, self._rows(events))
            for stream, events, expected in entries
        ]
        return self._append(requests, session)

    def _append(self, requests: list[Request], session: Session | None) -> list[Appended]:
        streams = [request.stream for request in requests]
        if session is None:
            self._database.check_free()
        else:
            check_writes(session)
        self._open.check(streams, session)
        try:
            if session is None:
                done = self._appender.append(requests)
                if self._wake:
                    self._wake()
                _reached(_last(done))
                return done
            if self._wake:
                wake_after(session, self._wake)
            done = self._append_within(session, requests)
            _reached_when_committed(session, _last(done))
            return done
        except (psycopg.Error, sqlite3.Error) as error:  # told as those that go through SQLAlchemy
            with translated(self._database.name):
                raise DBAPIError("append", None, error) from error
        except SQLAlchemyError as error:
            with translated(self._database.name):
                raise error

    def _append_within(self, session: Session, requests: list[Request]) -> list[Appended]:
        """In the session's transaction, so behind what it wrote and before what it will."""
        cursor: Any = session.connection().connection.cursor()
        self._open.note(session, [request.stream for request in requests])
        try:
            append = sqlite.append if self._database.on_sqlite else postgres.in_order
            return append(cursor, requests)
        finally:
            cursor.close()

    def _rows(self, events: Sequence[Event]) -> list[Row]:
        rows, problems = [], []
        for index, event in enumerate(checked_events(events)):
            checked, wrong = self._catalogue.check(event)
            if not wrong:
                try:
                    rows.append(row(checked, self._largest))
                    continue
                except (TypeError, ValueError, msgspec.MsgspecError) as error:
                    wrong = [{"field": "data", "problem": str(error)}]
            named = {"index": index, "id": event.id, "type": event.type}
            problems += [{**named, **problem} for problem in wrong]
        if problems:
            raise InvalidEvents(problems, "appended")
        return rows

    # Reading

    def read(
        self,
        stream: str,
        from_version: int | None = None,
        *,
        until_version: int | None = None,
        since: Any = None,
        at: Any = None,
        backwards: bool = False,
        session: Session | None = None,
    ) -> Iterator[Recorded]:
        """A stream's events, oldest first unless `backwards`; empty where there is no such stream.

        From `from_version` or from the first that was recorded at the time `since`; to
        `until_version`, both included, or as the stream was `at` a time (a datetime, an RFC 3339
        text, or seconds since 1970). Backwards, it starts at the newest of these.
        """
        check_versions(from_version=from_version, until_version=until_version)
        bounds = self._reader.bounds(stream, from_version, until_version, since, at, session)
        for recorded in self._reader.stream(stream, *bounds, backwards, session):
            yield self.typed(recorded)

    def read_all(
        self,
        after: int = 0,
        limit: int = 1000,
        *,
        typed: bool = True,
        until: int | None = None,
        types: Collection[str] = (),
    ) -> list[Recorded]:
        """The next events of all streams after a position, in the global order.

        At most `limit`; fewer, or none, where no more can be read safely yet. Go on after the
        last one's position. `typed=False` leaves data as it was stored, which can't fail. Up to
        the position `until`, and of these `types` only, where they are given.
        """
        check_place(after, limit)
        found = self._reader.all(after, limit, until, types)
        return [self.typed(recorded) for recorded in found] if typed else found

    def typed(self, recorded: Recorded) -> Recorded:
        """With its data as an object of the type's newest class, where it has one here.

        Raises `Refused` where an upcaster is missing, pydantic's `ValidationError` where it fails, and
        `NewerData` where it is of a version that this code doesn't have yet.
        """
        event = recorded.event
        types = self._catalogue.types
        if event.type not in types.newest:
            return recorded
        data = types.read(event.type, event.dataschema, event.data)
        return Recorded(
            recorded.stream,
            recorded.version,
            recorded.position,
            event.but(data=data),
            recorded.recorded,
            recorded.actor,
        )

    def version(self, stream: str, session: Session | None = None) -> int:
        """The version that a stream is at; 0 where there is none."""
        return self._reader.version(stream, session)

    def streams(
        self, category: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page[dict[str, Any]]:
        """The streams, those that began last first; of a category: those called `category:…`."""
        return self._reader.streams(category, limit, cursor)

    def schemas_between(self, type: str, after: int, until: int) -> dict[str | None, int]:
        """How many events of a type there are behind a position, up to another, by their `dataschema`."""
        return self._reader.schemas_between(type, after, until)

    def recorded_after(self, position: int) -> float | None:
        """When the next event after a position was recorded (s since 1970); None where there is none."""
        return self._reader.recorded_after(position)

    def position_at(self, at: Any) -> int:
        """The newest position that was recorded at a time, or before, and to which all can be read now; 0 for none."""
        return self._reader.position_at(at)

    def head(self) -> int:
        """The newest position up to which all can be read now; 0 in an empty store."""
        return self._reader.head()


def _last(done: list[Appended]) -> int:
    return max(one.position for one in done)


def _reached(position: int, here: origin.Origin | None = None) -> None:
    """Let those who gave the order know how far it went."""
    here = here or origin.asked()
    if here is not None:
        here.stored = max(here.stored or 0, position)


def _reached_when_committed(session: Session, position: int) -> None:
    """The place that a transaction was given is another's, or nobody's, where it is rolled back."""
    here = origin.asked()
    if here is not None:
        once_committed(session, f"reached {position}", lambda: _reached(position, here))
