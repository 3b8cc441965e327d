"""Loading, changing and saving event-sourced state.

    with platform.aggregates.edit(Basket, "ada", actor="user:ada") as basket:
        basket.add("apple")

The block's changes are appended when it ends without an error, expecting the version that was
loaded: of two who edit at once, one gets a `VersionConflict`, having changed nothing. Where a
change may be decided again, `change(Basket, "ada", lambda basket: basket.add("apple"))` does so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any, TypeVar

import structlog
from sqlmodel import Session

from app.clock import Clock, SystemClock
from app.errors import NotFound, PenstockError, Refused
from app.events.event import Event
from app.sourcing.aggregate import Aggregate
from app.sourcing.decider import Decider, Held, State
from app.sourcing.history import paths
from app.sourcing.kind import Kind
from app.sourcing.recording import as_replayed, decided_events
from app.sourcing.written import unlike
from app.store.database import Database
from app.store.eventstore import snapshots
from app.store.eventstore.recorded import Appended, VersionConflict
from app.store.eventstore.snapshots import Snapshot
from app.store.eventstore.store import EventStore
from app.store.moments import iso, seconds

log = structlog.get_logger(__name__)
A = TypeVar("A", bound=Aggregate)
Result = TypeVar("Result")


class Repository:
    def __init__(self, store: EventStore, database: Database, clock: Clock | None = None):
        self._store = store
        self._database = database
        self._clock = clock or SystemClock()
        self._unlike: set[str] = set()
        self._too_deep: set[str] = set()

    def get(self, cls: type[A], id: str, *, version: int | None = None, at: Any = None) -> A:
        """The aggregate as it is now, at a version, or at a time. Raises `NotFound`."""
        if version is not None and at is not None:
            raise Refused("Say either `version`, or `at` for a time.")
        one: A = self.load(cls.kind(), id, version=version, at=at)
        if one.version < (version or 1):
            raise NotFound(f"There is no {cls.category} {id!r}{_when(version, at)}.")
        return one

    @contextmanager
    def edit(
        self, cls: type[A], id: str, *, actor: str | None = None, session: Session | None = None
    ) -> Iterator[A]:
        """The aggregate, new where it has no events yet; saved at the end of the block.

        Raises `VersionConflict` where somebody else saved it meanwhile.
        """
        one: A = self.load(cls.kind(), id, session=session)
        yield one
        self.save(one, actor=actor, session=session)

    def change(
        self,
        cls: type[A],
        id: str,
        decide: Callable[[A], Result],
        *,
        actor: str | None = None,
        tries: int = 5,
    ) -> Result:
        """Load, decide and save; on a conflict again, with what is there then, `tries` times in all."""
        while True:
            tries -= 1
            try:
                with self.edit(cls, id, actor=actor) as one:
                    result = decide(one)
                return result
            except VersionConflict:
                if tries <= 0:
                    raise

    def save(
        self, one: Aggregate, *, actor: str | None = None, session: Session | None = None
    ) -> Appended | None:
        """Append what is pending; None where nothing is. Raises `VersionConflict`."""
        if not one.pending:
            return None
        before = one.saved_version
        kind = one.kind()
        done = self._store.append(
            kind.stream(one.id), one.pending, before, actor=actor, session=session
        )
        one.pending = []
        self._snapshot(kind, one.id, before, one, session)
        return done

    def decide(
        self,
        decider: Decider[Any, Any],
        id: str,
        command: Any,
        *,
        actor: str | None = None,
        session: Session | None = None,
        tries: int = 1,
    ) -> Appended | None:
        """Have a decider decide on a command, and append what comes of it; None where nothing does."""
        while True:
            tries -= 1
            try:
                return self.decided(decider, id, command, actor=actor, session=session)[2]
            except VersionConflict:
                if tries <= 0:
                    raise

    def decided(
        self,
        decider: Decider[State, Any],
        id: str,
        command: Any,
        *,
        caused: Callable[[Sequence[Event]], Sequence[Event]] = list,
        actor: str | None = None,
        session: Session | None = None,
    ) -> tuple[Held[State], Held[State], Appended | None]:
        """The state before and after it, and what was appended; `caused` gives the events their cause.

        Raises `VersionConflict`, and what the decider does.
        """
        held = self.load(decider.kind, id, session=session)
        given = decided_events(decider.category, decider.decide(command, held.state))
        events = caused([as_replayed(one if one.subject else one.but(subject=id)) for one in given])
        if not events:
            return held, held, None
        after = reduce(decider.kind.step, events, held)  # first: what fails is not appended
        done = self._store.append(
            decider.kind.stream(id), events, held.version, actor=actor, session=session
        )
        self._snapshot(decider.kind, id, held.version, after, session)
        return held, after, done

    def fields(self, kind: Kind[State], state: State) -> dict[str, Any]:
        """The state's fields by path, as history tells them; none where they can't be written as JSON."""
        try:
            return dict(paths(kind.dump(state)))
        except (TypeError, ValueError) as error:  # the author's types: the change itself is sound
            log.warning("fields not told", category=kind.category, error=str(error))
            return {}

    def load(
        self,
        kind: Kind[Any],
        id: str,
        *,
        version: int | None = None,
        at: Any = None,
        session: Session | None = None,
    ) -> Any:
        """The state of a stream now, at a version or at a time; at its start where it has no events."""
        stream = kind.stream(id)
        found = self._find(kind, stream, version, session) if at is None else None
        state, after = kind.start(id), 0
        if found:
            try:
                state, after = kind.load(id, found.version, found.state), found.version
            except Exception as error:  # whatever it is, the events are there
                log.warning("snapshot not used", stream=stream, error=str(error))
        events = self._store.read(stream, after + 1, until_version=version, at=at, session=session)
        for recorded in events:
            state = kind.step(state, recorded.event)
        return state

    def _find(
        self, kind: Kind[Any], stream: str, until: int | None, session: Session | None
    ) -> Snapshot | None:
        if kind.snapshot_every is None or (fingerprint := self._fingerprint(kind)) is None:
            return None
        if session is not None:
            return snapshots.find(session, stream, fingerprint, until)
        with self._database.read() as own:
            return snapshots.find(own, stream, fingerprint, until)

    def _fingerprint(self, kind: Kind[Any]) -> str | None:
        """None where its code names an object that is nested too deep to be read: every load replays then."""
        if kind.code in self._too_deep:
            return None
        try:
            return kind.fingerprint()
        except RecursionError:
            self._too_deep.add(kind.code)
            problem = (
                "what its code names is nested too deep to be told from that of another release"
            )
            log.warning(
                "no snapshot taken", category=kind.category, code=kind.code, problem=problem
            )
            return None

    def _snapshot(
        self,
        kind: Kind[Any],
        id: str,
        before: int,
        state: Any,
        session: Session | None,
    ) -> None:
        every = kind.snapshot_every
        if every is None or before // every == state.version // every:
            return
        if problem := unlike(kind, id, state.version, state):
            if kind.category not in self._unlike:  # once: it is so for every other one
                self._unlike.add(kind.category)
                log.warning("no snapshot taken", stream=kind.stream(id), problem=problem)
            return
        if (fingerprint := self._fingerprint(kind)) is None:
            return
        taken = Snapshot(state.version, kind.dump(state))
        kept = (kind.stream(id), fingerprint, taken, self._clock.now())
        if session is not None:
            snapshots.keep(session, *kept)
            return
        try:
            with self._database.session() as own:
                snapshots.keep(own, *kept)
        except PenstockError as error:  # the events are saved: a snapshot only saves time
            log.warning("snapshot not kept", stream=kept[0], error=str(error))


def _when(version: int | None, at: Any) -> str:
    if version is not None:
        return f" at version {version}"
    return f" at {iso(seconds(at))}" if at is not None else ""
