"""One projection or reactor: a batch of events, their rows and the position in one transaction.

Whatever ends a process in between rolls all of it back, and the next one reads
the same batch. An event whose function fails is found by taking the batch one
by one: it stops its projection, which says so, or is skipped and noted, as its
author chose; an operator can skip it too. A build that has found nothing left to
read takes the place of the live one, unless that has come further meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from app.cqrs import builds, leaving_out, reacting, removing, stopping, switching, tables
from app.cqrs.declaration import Declared
from app.cqrs.view import Place, View
from app.errors import NewerData, Refused, Unavailable
from app.store import followers
from app.store.columns import clean
from app.store.eventstore.recorded import Recorded
from app.store.failures import is_not_now
from app.store.followers import BUILDING, LIVE, FollowerRow
from app.streams.client import LOST
from app.subscriptions.delivery import RAISED
from app.subscriptions.failure import said

BATCH = 1000
TURN = 0.2
"""Seconds after which a batch ends early, about: on SQLite it holds up whoever writes."""

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
        self._limit = BATCH
        self.in_hand: Recorded | None = None
        """The event that its function works on."""
        self.is_outdated = False
        """Whether something waits for newer code, which another process may have."""
        self._looked_for: dict[int, set[Place]] = {}
        """What the last batch of each build read."""
        self._fitting: set[int] = set()
        """The builds whose tables are as the code says."""

    def step(self) -> int:
        """Take a batch in every build that this code can make; how many events that were."""
        done, self.is_outdated = 0, False
        for row in self._known():
            if row.version > self.declared.version:
                self._is_older_than(row)
            elif row.version == self.declared.version:
                if stopping.is_by_older_code(row):
                    self._is_new_enough(row)
                elif not row.paused and not row.problem:
                    done += self._advance(row)
        return done

    def _is_older_than(self, row: FollowerRow) -> None:
        """Say so, after a deploy of what was before; it is not this code's to make."""
        self.is_outdated = True
        if row.problem is None:
            what = "live" if row.state == LIVE else "built beside the live one"
            after = "it" if row.state == LIVE else "it, cancel that build"
            problem = (
                f"This version of the code of {row.name}, {self.declared.version}, is older than what is {what}: "
                f"{row.version}. Deploy {after}, or make this one version={row.version + 1}."
            )
            self._mark(row, lambda one: stopping.by_older_build(one, problem))

    def _is_new_enough(self, row: FollowerRow) -> None:
        """Have it go on, unless this code is the one that was too old, or as old as that."""
        needed = stopping.needs(row)
        known = needed and self.platform.catalogue.types.current(needed[0])
        if needed and known and known.version < needed[1]:
            self.is_outdated = True
        else:
            self._mark(row, stopping.no_more)

    def _known(self) -> list[FollowerRow]:
        """The builds there are; the first one, or one of a new version, is begun."""
        with self.platform.database.read() as session:
            rows = followers.builds(session, self.declared.name)
        newest = max((row.version for row in rows), default=0)
        if newest >= self.declared.version:
            return rows
        position = self.platform.event_store.head() if self.declared.start == "now" else 0
        with self.platform.database.session() as session:
            if self.declared.kind == "reactor" and rows:
                return rows
            names = builds.table_names(self.declared)
            beside = bool(rows or builds.keepers(session, names, self.declared.name))
            state = BUILDING if beside and self.declared.kind == "projection" else LIVE
            build = builds.next_number(session, self.declared.name, names)
            builds.begin(session, self.declared, build, state, self.platform.clock.now(), position)
            return followers.builds(session, self.declared.name)

    def _advance(self, seen: FollowerRow) -> int:
        if not self._fits(seen):
            return 0
        limit = 1 if self._one_by_one else min(self._limit, BATCH)
        found = self.platform.event_store.read_all(seen.position, limit, typed=False)
        if not found:
            if seen.state == BUILDING:
                try:
                    self._switch(seen)
                except Refused as error:
                    self._stop(seen, str(error))
            return 0
        try:
            done = self._apply(seen, found)
        except NewerData as error:
            return self._left_to_newer_code(seen, found, error)
        except (*LOST, Unavailable):
            raise
        except Exception as error:
            self._failed(seen, found, error)
            return 0 if len(found) == 1 and self.declared.on_error == "stop" else 1
        self._one_by_one = max(0, self._one_by_one - done)
        return done

    def _fits(self, seen: FollowerRow) -> bool:
        """Whether rows can go into its tables: no event is at fault where they were made by other code."""
        if seen.position and seen.build in self._fitting:
            return True
        if not seen.position and not self._start(seen):
            return False
        odd = builds.unlike(seen, self.declared)
        if odd is None:
            with self.platform.database.read() as session:
                odd = tables.unlike(session.connection(), list(self._classes_of(seen).values()))
        if odd is None:
            self._fitting.add(seen.build)
            return True
        make = "raise its version, or rebuild it" if seen.state == LIVE else "cancel that build"
        self._stop(seen, f"Its tables were made by other code: {odd}. To make them anew, {make}.")
        return False

    def _start(self, seen: FollowerRow) -> bool:
        """Have its tables be those of the code, before the first event; whether they are."""
        if seen.state == LIVE and builds.unlike(seen, self.declared) is None:
            return True
        try:
            with self.platform.database.session() as session:
                row = followers.locked(session, seen.name, seen.build)
                if row is None or row.position or row.state != seen.state:
                    return False  # somebody was quicker
                if row.state == LIVE:
                    removing.check_free(session, builds.table_names(self.declared), seen.name)
                builds.start(session, row, self.declared)
        except Refused as error:
            self._stop(seen, str(error))
            return False
        seen.tables = builds.table_names(self.declared)
        return True

    def _apply(self, seen: FollowerRow, found: Sequence[Recorded]) -> int:
        """The rows of a batch and the position, in one transaction; how many events that were."""
        classes = self._classes_of(seen)
        with self.platform.database.session() as session:
            row = followers.locked(session, seen.name, seen.build)
            if (
                row is None
                or row.position != seen.position
                or row.state != seen.state
                or row.paused
            ):
                return len(found)  # another process, or an operator, was quicker
            tables.make(session.connection(), list(classes.values()))
            view = View(session, classes, self._looked_for.get(seen.build, ()))
            done = self._handle_some(found, view, row)
            view.flush()
            row.position, row.updated = found[done - 1].position, self.platform.clock.now()
            if row.leaves_out and row.position >= row.leaves_out["until"]:
                row.leaves_out = None
            session.add(row)
        self._looked_for[seen.build] = view.looked_for
        return done

    def _handle_some(self, found: Sequence[Recorded], view: View, row: FollowerRow) -> int:
        """At least one, and no more than there is time for: how many. The next batch is as long as fits."""
        clock, done = self.platform.clock, 0
        until = clock.monotonic() + TURN
        for recorded in found:
            if not self.declared.types or recorded.event.type in self.declared.types:
                if leaving_out.covers(row, recorded) and (newer := self._newer(recorded)):
                    builds.skip(row, recorded.position, recorded.event.type, newer)
                else:
                    self._handle(recorded, view)
            done += 1
            if clock.monotonic() >= until:
                break
        self._limit = done if done < len(found) else min(BATCH, 2 * self._limit)
        return done

    def _newer(self, recorded: Recorded) -> str | None:
        """That its data is newer than this code, in words; None where it isn't."""
        try:
            self.platform.event_store.typed(recorded)
        except NewerData as error:
            return str(error)
        return None

    def _handle(self, recorded: Recorded, view: View) -> None:
        self.in_hand = recorded
        try:
            event = self.platform.event_store.typed(recorded).event
            returned = view.hand(self.declared.function, event)
        except BaseException as error:
            if is_not_now(error) or _is_an_end(error):
                raise
            raise Failed from error  # not to be taken for a connection of ours that was lost
        finally:
            self.in_hand = None
        if found := reacting.answers(self.platform, self.declared, returned, event):
            self.platform.outbox.add(view.session, found)

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
                builds.skip(row, bad.position, bad.event.type, told)
            else:
                stopping.by_event(row, bad, told)
            row.updated = self.platform.clock.now()
            session.add(row)

    def _left_to_newer_code(
        self, seen: FollowerRow, found: Sequence[Recorded], error: NewerData
    ) -> int:
        """What comes before such an event is this code's; that one is left out by no choice of the author's."""
        if len(found) > 1:
            self._one_by_one = len(found)
            return 1
        self.is_outdated = True
        self._mark(seen, lambda row: stopping.by_newer_data(row, found[0], error))
        return 0

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
        built, now = self._classes_of(seen), self.platform.clock.now()
        with self.platform.database.session() as session:
            dropped = switching.take_place(session, seen, self.declared, built, now)
        if dropped is None:
            return
        self._classes.clear()
        log.info(
            "a projection was built anew", projection=seen.name, build=seen.build, dropped=dropped
        )

    def _classes_of(self, row: FollowerRow) -> dict[Any, Any]:
        if row.state == LIVE:
            return tables.own(self.declared.tables)
        if row.build not in self._classes:
            self._classes[row.build] = tables.suffixed(self.declared.tables, row.build)
        return self._classes[row.build]


def _is_an_end(error: BaseException) -> bool:
    """Whether it ends the process, as Ctrl-C does: in a thread of ours it comes from the author's code."""
    return not isinstance(error, RAISED) and threading.current_thread() is threading.main_thread()
