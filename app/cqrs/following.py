"""Following the event store: a batch of each projection and reactor in turn, in one process of many.

A follower that can't go on for now is left alone for a while, and holds up the
others for one turn at most. Code that is too old for something gives way to
another worker, which may be of the newer release.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import structlog
from redis.exceptions import RedisError

from app.cqrs import builds
from app.cqrs.follower import Follower
from app.cqrs.own_rebuild import RUNS, OwnRebuild
from app.errors import PenstockError
from app.store import ownership
from app.store.followers import LIVE
from app.streams.client import LOST
from app.subscriptions.identity import is_same_process

WHAT, LANE = "followers", "system"
LOOK = 0.5
PAUSE = 1.0, 30.0
"""Seconds for which one that can't go on is left alone: at first, and at most."""
GIVES_WAY = 30.0
"""Seconds after which older code lets another worker follow once more."""
SLOW = 5.0
"""Seconds from which on a turn is told of in the log: it is to end after a fraction of one."""

log = structlog.get_logger(__name__)


class Following:
    """All followers of a process; of many processes, one is active."""

    def __init__(self, platform: Any, owner: str):
        self.platform = platform
        self.owner = owner
        self.claim = ownership.Claim(platform.database, platform.clock, WHAT, owner)
        self._followers: dict[str, Follower] = {}
        self._own = OwnRebuild(platform)
        self._waiting: dict[str, tuple[float, float]] = {}
        self._in_turn: tuple[str, float] | None = None
        """Whose turn it is, and since when."""
        self._told: tuple[str, float] | None = None
        self._gives_way = self._stays_back = float("-inf")
        """When it next lets another one follow, and until when it does."""

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
        began = self.platform.clock.monotonic()
        self._in_turn = name, began
        try:
            return turn()
        except BaseException:  # whatever it is: the others' turn comes first the next time
            until = self.platform.clock.monotonic() + pause
            self._waiting[name] = until, min(PAUSE[1], pause * 2)
            raise
        finally:
            self._in_turn = None
            if (took := self.platform.clock.monotonic() - began) > SLOW:
                log.warning("a follower held up the others", follower=name, seconds=round(took, 1))

    def look(self) -> None:
        """For another thread: say who holds up the others for long, while that lasts. Once of each turn."""
        turn = self._in_turn
        if turn is None or turn == self._told:
            return
        name, began = turn
        if (seconds := self.platform.clock.monotonic() - began) > SLOW:
            self._told = turn
            log.warning("a follower holds up the others", follower=name, seconds=round(seconds, 1))

    def held_up(self) -> dict[str, Any] | None:
        """`{"follower", "since", "position", "type"}` of a turn that takes long, for the worker's beat."""
        turn = self._in_turn
        if turn is None or (seconds := self.platform.clock.monotonic() - turn[1]) <= SLOW:
            return None
        follower = self._followers.get(turn[0])
        recorded = follower.in_hand if follower else None
        return {
            "follower": turn[0],
            "since": self.platform.clock.now() - seconds,
            "position": recorded.position if recorded else None,
            "type": recorded.event.type if recorded else None,
        }

    def begin_reactors(self, position: int) -> None:
        """Make those known that are not yet, from a position on."""
        for declared in list(self.platform.followers.declared.values()):
            if declared.kind == "reactor":
                with self.platform.database.session() as session:
                    builds.begin(session, declared, 1, LIVE, self.platform.clock.now(), position)

    def is_active(self) -> bool:
        """Whether this process is the one that follows."""
        if self.platform.clock.monotonic() < self._stays_back:
            return False
        is_active = self.claim.holds()
        if not is_active:
            self._own.close()
        return is_active

    def resign(self) -> None:
        """Let another process begin at once."""
        self._own.close()
        self.claim.give_up()

    def give_way(self) -> None:
        """Where something waits for newer code and there is another worker, let that one follow: it may have it."""
        now = self.platform.clock.monotonic()
        is_outdated = any(one.is_outdated for one in self._followers.values())
        if (
            self.claim.fence is None
            or not is_outdated
            or now < self._gives_way
            or self._own.is_under_way
        ):
            return
        self._gives_way = now + GIVES_WAY
        if any(self._may_follow(one) for one in self.platform.workers.list()):
            log.warning("older code lets another worker follow")
            self.resign()
            self._stays_back = now + ownership.TERM

    def _may_follow(self, worker: dict[str, Any]) -> bool:
        return (
            worker["alive"]
            and not worker["stopping"]
            and LANE in worker["lanes"]
            and not is_same_process(worker["id"], self.owner)
        )

    def run(self, stopping: threading.Event) -> None:
        """Until it is to stop: everything there is, then look again at each wake-up."""
        while not stopping.is_set():
            try:
                for _ in self.platform.wakes.listen(LOOK):
                    while not stopping.is_set() and self.is_active() and self.step():
                        self.give_way()
                    self.give_way()
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
