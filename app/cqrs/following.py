"""Following the event store: a batch of events, their rows and the position in one transaction.

Whatever ends a process in between rolls all of it back, and the next one reads
the same batch. An event whose function fails is found by taking the batch one
by one: it stops its projection, which says so, or is skipped and noted, as its
author chose; an operator can skip it too. A build that has caught up takes the
place of the live one in a transaction that finds nothing left to read. A follower that
can't go on for now is left alone for a while, and holds up the others for one turn at most.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from redis.exceptions import RedisError
from sqlmodel import Session

from app.clock import instant
from app.cqrs import stopping, tables
from app.cqrs.declaration import Declared
from app.cqrs.own_rebuild import RUNS, OwnRebuild
from app.cqrs.view import View
from app.errors import PenstockError, Refused, Unavailable
from app.events.event import Event
from app.events.ids import derived_id
from app.store import followers, ownership
from app.store.columns import clean
from app.store.eventstore.recorded import Recorded
from app.store.failures import is_not_now
from app.store.followers import BUILDING, LIVE, FollowerRow
from app.streams.client import LOST
from app.subscriptions.delivery import RAISED
from app.subscriptions.failure import said
from app.subscriptions.outputs import event_of

BATCH = 1000
WHAT = "followers"
LOOK = 0.5
PAUSE = 1.0, 30.0
"""Seconds for which one that can't go on is left alone: at first, and at most."""
NOTED = 100

log = structlog.get_logger(__name__)


class Failed(Exception):
    """An author's code failed on an event; the cause is what it raised, whatever that may be."""


class Follower:
    """One projection or reactor in one process."""

    def __init__(self, platform: Any, declared: Declared):
        self.platform = platform
        self.declared = declared
        self._classes: dict[int, dict[Any, Any]] = {}
        self._one_by_one = 0
        self._fitting: set[int] = set()
        """The builds whose tables are as the code says."""

    def step(self) -> int:
        """Take a batch in every build that this code can make; how many events that were."""
        done = 0
        for row in self._known():
            if row.version > self.declared.version:
                self._is_older_than(row)
            elif row.version == self.declared.version:
                if stopping.is_by_older_code(row):
                    self._mark(row, stopping.no_more)
                elif not row.paused and not row.problem:
                    done += self._advance(row)
        return done

    def _is_older_than(self, row: FollowerRow) -> None:
        """Say so, after a deploy of what was before; it is not this code's to make."""
        if row.problem is None:
            what = "live" if row.state == LIVE else "built beside the live one"
            after = "it" if row.state == LIVE else "it, cancel that build"
            problem = (
                f"This version of the code of {row.name}, {self.declared.version}, is older than what is {what}: "
                f"{row.version}. Deploy {after}, or make this one version={row.version + 1}."
            )
            self._mark(row, lambda one: stopping.by_older_code(one, problem))

    def _known(self) -> list[FollowerRow]:
        """The builds there are; the first one, or one of a new version, is begun."""
        with self.platform.database.read() as session:
            rows = followers.builds(session, self.declared.name)
        newest = max((row.version for row in rows), default=0)
        if newest >= self.declared.version:
            return rows
        position = self.platform.event_store.head() if self.declared.start == "now" else 0
        with self.platform.database.session() as session:
            build = max((row.build for row in rows), default=0) + 1
            state = BUILDING if rows and self.declared.kind == "projection" else LIVE
            if self.declared.kind == "reactor" and rows:
                return rows
            begin(session, self.declared, build, state, self.platform.clock.now(), position)
            return followers.builds(session, self.declared.name)

    def _advance(self, seen: FollowerRow) -> int:
        if not self._fits(seen):
            return 0
        limit = 1 if self._one_by_one else BATCH
        found = self.platform.event_store.read_all(seen.position, limit, typed=False)
        if not found:
            if seen.state == BUILDING:
                try:
                    self._switch(seen)
                except Refused as error:
                    self._stop(seen, str(error))
            return 0
        try:
            self._apply(seen, found)
        except (*LOST, Unavailable):
            raise
        except Exception as error:
            self._failed(seen, found, error)
            return 0 if len(found) == 1 and self.declared.on_error == "stop" else 1
        self._one_by_one = max(0, self._one_by_one - len(found))
        return len(found)

    def _fits(self, seen: FollowerRow) -> bool:
        """Whether rows can go into its tables: no event is at fault where they were made by other code."""
        if seen.build in self._fitting:
            return True
        with self.platform.database.read() as session:
            odd = tables.unlike(session.connection(), list(self._classes_of(seen).values()))
        if odd is None:
            self._fitting.add(seen.build)
            return True
        make = "raise its version, or rebuild it" if seen.state == LIVE else "cancel that build"
        self._stop(seen, f"Its tables were made by other code: {odd}. To make them anew, {make}.")
        return False

    def _apply(self, seen: FollowerRow, found: Sequence[Recorded]) -> None:
        """The rows of a batch and the position, in one transaction."""
        classes = self._classes_of(seen)
        with self.platform.database.session() as session:
            row = followers.locked(session, seen.name, seen.build)
            if (
                row is None
                or row.position != seen.position
                or row.state != seen.state
                or row.paused
            ):
                return  # another process, or an operator, was quicker
            tables.make(session.connection(), list(classes.values()))
            view = View(session, classes)
            for recorded in found:
                if not self.declared.types or recorded.event.type in self.declared.types:
                    self._handle(recorded, view)
            view.flush()
            row.position, row.updated = found[-1].position, self.platform.clock.now()
            session.add(row)

    def _handle(self, recorded: Recorded, view: View) -> None:
        try:
            event = self.platform.event_store.typed(recorded).event
            returned = view.hand(self.declared.function, event)
        except BaseException as error:
            if is_not_now(error) or _is_an_end(error):
                raise
            raise Failed from error  # not to be taken for a connection of ours that was lost
        if returned is None:
            return
        if self.declared.kind == "projection":
            raise Refused("a projection has no effects, so it returns nothing: use @reactor")
        outputs = returned if isinstance(returned, list | tuple) else [returned]
        caused = [self._caused(one, event, index) for index, one in enumerate(outputs)]
        prepared = self.platform.preparer.prepare(caused)
        self.platform.outbox.add(view.session, [one.event for one in prepared])

    def _caused(self, output: Any, cause: Event, index: int) -> Event:
        now = instant(self.platform.clock.now())
        made = event_of(output, self.declared.emits, self.platform.catalogue, now)
        return made.but(
            id=derived_id(cause.source, cause.id, "reactor", self.declared.name, index),
            source=f"/reactors/{self.declared.name}",
            time=now,
            partitionkey=made.partitionkey or cause.partitionkey,
            correlationid=cause.correlationid or cause.id,
            causationid=cause.id,
        )

    def _failed(self, seen: FollowerRow, found: Sequence[Recorded], error: Exception) -> None:
        if len(found) > 1:
            self._one_by_one = len(found)
            return
        (bad,) = found
        cause = error.__cause__ if isinstance(error, Failed) and error.__cause__ else error
        told = clean(f"{type(cause).__name__}: {said(cause)}")
        log.error("an event fails its follower", follower=seen.name, position=bad.position,
                  id=bad.event.id, error=told, exc_info=cause)  # fmt: skip
        with self.platform.database.session() as session:
            row = followers.locked(session, seen.name, seen.build)
            if row is None or row.position != seen.position:
                return
            if self.declared.on_error == "skip":
                skip(row, bad.position, told)
            else:
                stopping.by_event(row, bad, told)
            row.updated = self.platform.clock.now()
            session.add(row)

    def _stop(self, seen: FollowerRow, problem: str) -> None:
        """For what no event is at fault of; `resume` tries it again."""
        self._mark(seen, lambda row: stopping.otherwise(row, problem))

    def _mark(self, seen: FollowerRow, how: Callable[[FollowerRow], None]) -> None:
        """Note what stops it or no more does, unless somebody was quicker."""
        with self.platform.database.session() as session:
            row = followers.locked(session, seen.name, seen.build)
            if row is not None and row.position == seen.position:
                how(row)
                row.updated = self.platform.clock.now()
                session.add(row)

    def _switch(self, seen: FollowerRow) -> None:
        """The build takes the place of the live one, unless there is more to read."""
        with self.platform.database.session() as session:
            rows = [followers.locked(session, row.name, row.build)
                    for row in followers.builds(session, seen.name)]  # fmt: skip
            mine = next((row for row in rows if row and row.build == seen.build), None)
            if mine is None or mine.position != seen.position or mine.state != BUILDING:
                return
            built, live = self._classes_of(seen), tables.own(self.declared.tables)
            tables.make(session.connection(), list(built.values()))
            tables.switch(session.connection(), [(live[one], built[one]) for one in live])
            for row in rows:
                if row and row.build != mine.build:
                    leave(session, row)
            mine.state, mine.updated = LIVE, self.platform.clock.now()
            session.add(mine)
        self._classes.clear()
        log.info("a projection was built anew", projection=seen.name, build=seen.build)

    def _classes_of(self, row: FollowerRow) -> dict[Any, Any]:
        if row.state == LIVE:
            return tables.own(self.declared.tables)
        if row.build not in self._classes:
            self._classes[row.build] = tables.suffixed(self.declared.tables, row.build)
        return self._classes[row.build]


def _is_an_end(error: BaseException) -> bool:
    """Whether it ends the process, as Ctrl-C does: in a thread of ours it comes from the author's code."""
    return not isinstance(error, RAISED) and threading.current_thread() is threading.main_thread()


def begin(
    session: Session, declared: Declared, build: int, state: str, now: float, position: int = 0
) -> None:
    names = [str(one.__tablename__) for one in declared.tables]
    followers.begin(
        session, declared.name, build, declared.kind, declared.version, state, names, now, position
    )


def leave(session: Session, row: FollowerRow) -> None:
    """A build that nobody goes on with; the tables that it had beside the live ones go with it."""
    if row.state == BUILDING:
        tables.drop(session.connection(), [f"{one}__{row.build}" for one in row.tables])
    session.delete(row)


def skip(row: FollowerRow, position: int, error: str) -> None:
    """Leave this event out, and remember that."""
    noted = [*(row.skipped or []), {"position": position, "error": error}]
    row.skipped, row.position = noted[-NOTED:], position
    stopping.no_more(row)


class Following:
    """All followers of a process; of many processes, one is active."""

    def __init__(self, platform: Any, owner: str):
        self.platform = platform
        self.owner = owner
        self.fence: int | None = None
        self._claimed = float("-inf")
        self._followers: dict[str, Follower] = {}
        self._own = OwnRebuild(platform)
        self._waiting: dict[str, tuple[float, float]] = {}

    def step(self) -> int:
        """One batch of each; how many events that were. Raises where none of them can go on."""
        turns = {
            declared.name: self._followers.setdefault(
                declared.name, Follower(self.platform, declared)
            ).step
            for declared in list(self.platform.followers.declared.values())
        } | {RUNS: self._own.step}
        done = 0
        failed: list[Exception] = []
        for name, turn in turns.items():
            try:
                done += self._turn(name, turn)
            except (*LOST, PenstockError) as error:
                log.warning("a follower has to wait", follower=name, error=str(error))
                failed.append(error)
            except Exception as error:
                log.exception("a follower failed; the others go on", follower=name)
                failed.append(error)
        if len(failed) == len(turns):
            self._waiting.clear()  # nothing is wrong with one of them
            raise failed[0]
        return done

    def _turn(self, name: str, turn: Callable[[], int]) -> int:
        """A batch of one; none while it is left alone, since it could not go on the last time."""
        until, pause = self._waiting.pop(name, (0.0, PAUSE[0]))
        if self.platform.clock.monotonic() < until:
            self._waiting[name] = until, pause
            return 0
        try:
            return turn()
        except BaseException:  # whatever it is: the others' turn comes first the next time
            until = self.platform.clock.monotonic() + pause
            self._waiting[name] = until, min(PAUSE[1], pause * 2)
            raise

    def begin_reactors(self, position: int) -> None:
        """Make those known that are not yet, from a position on."""
        for declared in list(self.platform.followers.declared.values()):
            if declared.kind == "reactor":
                with self.platform.database.session() as session:
                    begin(session, declared, 1, LIVE, self.platform.clock.now(), position)

    def is_active(self) -> bool:
        """Whether this process is the one that follows; it looks, and renews, three times a term."""
        now = self.platform.clock.now()
        if 0 <= now - self._claimed < ownership.TERM / 3:
            return self.fence is not None
        with self.platform.database.read() as session:
            taken = ownership.is_taken(session, WHAT, self.owner, now)
        self.fence = None
        if not taken:
            with self.platform.database.session() as session:
                self.fence = ownership.claim(session, WHAT, self.owner, now, ownership.TERM)
        self._claimed = now
        if self.fence is None:
            self._own.close()
        return self.fence is not None

    def resign(self) -> None:
        """Let another process begin at once."""
        self._own.close()
        if self.fence is not None:
            with self.platform.database.session() as session:
                ownership.release(session, WHAT, self.fence)
        self.fence, self._claimed = None, float("-inf")

    def run(self, stopping: threading.Event) -> None:
        """Until it is to stop: everything there is, then look again at each wake-up."""
        while not stopping.is_set():
            try:
                for _ in self.platform.wakes.listen(LOOK):
                    while not stopping.is_set() and self.is_active() and self.step():
                        pass
                    if stopping.is_set():
                        break
            except (RedisError, PenstockError, OSError) as error:
                log.warning("projections have to wait", error=str(error))
                stopping.wait(1.0)
            except BaseException:  # nobody else would follow, and nobody would be told
                log.exception("following failed; it goes on")
                stopping.wait(1.0)
        try:
            self.resign()
        except PenstockError as error:
            log.warning("another follower begins a little later", error=str(error))
