"""The parent's side of a worker: what it makes before the fork, its threads, its end."""

from __future__ import annotations

import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import structlog

from app import bootstrap
from app.cqrs.following import Following
from app.errors import PenstockError
from app.importing import declare
from app.streams.client import LOST
from app.subscriptions.caretaker import Caretaker
from app.subscriptions.declaration import LANES
from app.subscriptions.doorbell import Doorbell
from app.subscriptions.identity import worker_id, worker_of
from app.subscriptions.reclaim import Reaper, release_consumers
from app.subscriptions.roster import Roster
from app.subscriptions.slots import BUSY, Slots
from app.subscriptions.streams import row_streams
from app.subscriptions.watch import Watch
from app.telemetry import logs
from app.telemetry.memory import resident
from config.errors import SettingsError
from config.settings import Settings
from workers import runtime
from workers.dispatcher import LEASE, Dispatcher
from workers.message import LeaseMessage
from workers.pulse import Chores, Pulse
from workers.slots import SYSTEM_LANE, Desks

SOLO_LEASE = 1.0
"""Seconds of a lease in a solo pool, which has no other thread for Celery's own work."""

POOL_SECONDS = 4.0
"""Seconds that Celery's pool has to end once no child has anything in hand."""

log = structlog.get_logger(__name__)


class Engine:
    """Everything of one worker but its leases."""

    def __init__(self, lanes: tuple[str, ...], concurrency: int, pool: str):
        self.settings = Settings.load()
        logs.configure(self.settings.log_level, self.settings.log_format)
        self.lanes, self.concurrency, self.pool = lanes, concurrency, pool
        self.platform = bootstrap.build(self.settings)
        bootstrap.use(self.platform)
        self._declare()
        self.worker = worker_id()
        self.slots = Slots(concurrency * 4)  # room for autoscale
        self.runtime = runtime.current = runtime.Runtime(
            self.platform, self.worker, self.slots, yields=lanes == (SYSTEM_LANE,)
        )
        self.desks = Desks(self.slots, lanes, concurrency)
        self.threads: list[threading.Thread] = []
        self.dispatcher: Dispatcher | None = None
        self.following: Following | None = None
        self.versions = {
            "python": platform.python_version(),
            **{name: version(name) for name in ("celery", "redis", "pydantic")},
        }
        self.closed = 0.0
        self.ending = threading.Event()

    def _declare(self) -> None:
        """Make known what the code declares; the database or Redis may not be up yet."""
        told = False
        while True:
            try:
                declare(self.platform)
                break
            except SettingsError as error:
                sys.exit(f"penstock: {error}")
            except (*LOST, PenstockError) as error:
                if not told:
                    log.warning("waiting for the database and Redis", problem=str(error))
                    told = True
                time.sleep(1.0)
        # Nothing that the parent opened is used after the fork.
        self.platform.close()
        for name in (
            "redis",
            "stream_topics",
            "preparer",
            "publisher",
            "changes",
            "wakes",
            "relay",
        ):
            self.platform.__dict__.pop(name, None)

    # -- while the worker runs

    def begin(
        self,
        submit: Callable[[LeaseMessage], None],
        limit: Callable[[], int],
        tend: Callable[[], None],
    ) -> None:
        """Celery's consumer runs (again): leases can be started."""
        if self.dispatcher is not None:
            self.dispatcher.submit, self.dispatcher.limit = submit, limit
            return
        clock = self.platform.clock
        self.dispatcher = Dispatcher(
            self.desks,
            Roster(self.platform, self.lanes),
            Doorbell(self.platform.wire()),
            clock,
            submit,
            limit,
            SOLO_LEASE if self.pool == "solo" else LEASE,
        )
        watch = Watch(
            self.slots,
            self.platform.broker(),
            # All lanes: what a lease had in hand may have been moved to another one since.
            Roster(self.platform, LANES),
            self.worker,
            clock,
            self.dispatcher.vacated,
        )
        self.pulse = Pulse(
            self.worker, self.platform.wire(), watch, self.describe, self._sweep, tend
        )
        self.pulse.look_at_control()
        self.pulse.beat()
        reaper = Reaper(
            self.platform.redis, self.platform.broker(), self.all_streams, clock, self.worker
        )
        self.chores = Chores(Caretaker(self.platform, self.worker, reaper).chores())
        for name, part in (
            ("pulse", self.pulse),
            ("doorbell", self.dispatcher),
            ("chores", self.chores),
        ):
            thread = threading.Thread(target=part.run, name=f"penstock-{name}", daemon=True)
            thread.start()
            self.threads.append(thread)
        if "system" in self.lanes:
            self._begin_relay()
        log.info(
            "worker is ready",
            worker=self.worker,
            lanes=self.lanes,
            pool=self.pool,
            concurrency=self.concurrency,
        )

    def _begin_relay(self) -> None:
        """Every worker of the system lane has a relay and followers; one of each is active."""
        self.following = self.platform.following
        for name, run in (
            ("relay", self.platform.relay.run),
            ("followers", self.following.run),
        ):
            thread = threading.Thread(
                target=run, args=(self.ending,), name=f"penstock-{name}", daemon=True
            )
            thread.start()
            self.threads.append(thread)

    def describe(self) -> dict[str, Any]:
        """What the console shows of this worker."""
        now, slots = time.monotonic(), []
        for number in range(self.slots.count):
            hand = self.slots.slot(number).read()
            if hand is not None and hand.state == BUSY and hand.first >= 0:
                slots.append(
                    {
                        "subscription": hand.subscription,
                        "event": hand.event,
                        "since": time.time() - (now - hand.started),
                    }
                )
        pids = {self.slots.slot(number).pid() for number in range(self.slots.count)} - {0}
        return {
            "lanes": self.lanes,
            "pool": self.pool,
            "concurrency": self.concurrency,
            "slots": slots,
            "memory": resident({os.getpid(), *pids}),
            "versions": self.versions,
            "follows": sorted(self.platform.followers.declared),
            "held_up": self.following.held_up() if self.following is not None else None,
            "stopping": self.slots.closing,
        }

    def all_streams(self) -> list[str]:
        """Every stream that a consumer may have something of."""
        topics = self.platform.stream_topics.all()
        rows = self.platform.subscription_store.all()
        return list(dict.fromkeys(stream for row in rows for stream in row_streams(row, topics)))

    def _sweep(self) -> None:
        if self.dispatcher is not None:
            self.dispatcher.sweep()
        if self.following is not None:
            self.following.look()
        if self.closed and time.monotonic() - self.closed > self.settings.grace_seconds:
            self._hand_back_by_force()

    def make_room(self, waiting: bool) -> None:
        """An ordinary task waits for a slot: leases give way to it, as many as are too many."""
        crowded = self.dispatcher is not None and waiting and self.dispatcher.crowded()
        self.slots.giving_way = crowded

    # -- the end

    def close(self) -> None:
        """The worker ends: leases finish what they have in hand and give back the rest."""
        if not self.closed:
            self.slots.closing = True
            self.closed = time.monotonic()
            if self.dispatcher is not None:
                self.dispatcher.stopping.set()
                self.chores.stopping.set()

    def _hand_back_by_force(self) -> None:
        """What is in hand won't end in the time that the platform gives: others shall have it."""
        latest = self.settings.grace_seconds + POOL_SECONDS
        for number in range(self.slots.count):
            hand = self.slots.slot(number).read()
            if hand is not None and hand.pid != os.getpid():
                log.warning(
                    "ending a handler that did not finish in time", subscription=hand.subscription
                )
                os.kill(hand.pid, signal.SIGKILL)
                self.slots.slot(number).close()
        if self.pool == "prefork" and time.monotonic() - self.closed < latest:
            self._release_all()
        else:
            self._exit_by_force()

    def _exit_by_force(self) -> None:
        """A thread can't be ended, so the process is; what its handlers still do is fenced."""
        log.warning("ending the worker: its handlers did not finish in time")
        self._say_goodbye()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

    def leave(self) -> None:
        """The pool is stopped: nothing of this worker is left pending."""
        self.close()
        if self.dispatcher is None:
            return
        self.pulse.stopping.set()
        self.ending.set()
        for thread in self.threads:
            thread.join(timeout=2.0)
        self._say_goodbye()

    def _say_goodbye(self) -> None:
        try:
            self._release_all()
            self.pulse.leave()
        except (*LOST, PenstockError) as error:
            log.warning("could not say goodbye; another worker will notice", error=str(error))

    def _release_all(self) -> None:
        release_consumers(
            self.platform.redis,
            self.platform.broker(),
            self.all_streams(),
            lambda consumer: worker_of(consumer) == self.worker,
            suspect=False,
        )
