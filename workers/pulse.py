"""A worker's pulse: it beats, watches its slots, and does its share of the chores.

Two threads of the parent: one for what must never be late (the beats, the
slots' deadlines, the operators' decisions), one for the chores.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec
import structlog
from redis.exceptions import RedisError

from app import living
from app.errors import PenstockError
from app.streams import keys
from app.streams.client import FULL_DISK, LOST, Wire
from app.streams.control import raise_version, stop_field
from app.subscriptions.watch import Watch

BEAT = 1.0
"""Seconds between beats, and between looks at the operators' decisions: the doorbell tells of those at once."""
TICK, CALM_TICK = 0.1, 0.25
"""Seconds between looks at the slots; the second where no lease is in any of them."""

log = structlog.get_logger(__name__)


class Pulse:
    """Beats for one worker; `describe` gives what the console shows of it."""

    def __init__(
        self,
        worker: str,
        wire: Wire,
        watch: Watch,
        describe: Callable[[], dict[str, Any]],
        sweep: Callable[[], None],
        tend: Callable[[], None],
    ):
        self.worker = worker
        self.wire = wire
        self.watch = watch
        self.describe = describe
        self.sweep = sweep
        self.tend = tend
        self.stopping = threading.Event()
        self.count = 0
        self.told_to_stop = False
        self.identity = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "place": living.place(),
            "started": time.time(),
        }

    def run(self) -> None:
        """The thread's loop; a lost server is waited for."""
        beaten, leased = float("-inf"), False
        while not self.stopping.is_set():
            now = time.monotonic()
            try:
                if now - beaten >= BEAT:
                    self.look_at_control()
                    self.beat()
                    self.sweep()
                    beaten = now
                leased = self.watch.look()
                self.tend()
            except LOST as error:
                log.warning("lost Redis; this worker can't beat until it is back", error=str(error))
                self.wire.drop()
                self.stopping.wait(0.5)
            except (RedisError, PenstockError) as error:
                log.error("the pulse failed", error=str(error))
            except Exception:  # without a pulse this worker would be taken for dead
                log.exception("the pulse failed; it goes on")
            self.stopping.wait(TICK if leased else CALM_TICK)

    def beat(self) -> None:
        """Say that this worker lives, at which time by the server's clock: a value unlike the last."""
        self.count += 1
        seconds, micros = self.wire("TIME")
        beat = int(seconds) + int(micros) / 1e6
        told = {**self.identity, "count": self.count, "beat": beat, **self.describe()}
        self.wire.script("beat", (keys.WORKERS,), (self.worker, msgspec.json.encode(told)))

    def look_at_control(self) -> None:
        """Let the leases know which version of the decisions holds; stop where somebody says so."""
        version, stop = self.wire("HMGET", keys.CONTROL, "version", stop_field(self.worker))
        self.watch.slots.control = self._not_behind(int(version or 0))
        if stop and not self.told_to_stop:
            self.told_to_stop = True
            log.info("told to stop; what is in hand is finished", by=stop.decode())
            os.kill(os.getpid(), signal.SIGTERM)

    def _not_behind(self, version: int) -> int:
        """A server that came back without its memory counts from the beginning: have it go on above.

        Else who knows of a higher version would follow no decision until it is passed.
        """
        known = self.watch.slots.control
        if version >= known:
            return version
        log.warning("Redis has forgotten decisions; they are made known again", version=known)
        return raise_version(self.wire, known + 1 - version)

    def leave(self) -> None:
        """Take this worker off the list."""
        self.wire("HDEL", keys.WORKERS, self.worker)
        self.wire("HDEL", keys.CODE, self.worker)
        self.wire("HDEL", keys.CONTROL, stop_field(self.worker))


class Chores:
    """What some worker must do for all: each chore with its seconds in between.

    One that returns a number of seconds wants to be done after these, where they are fewer.
    """

    def __init__(self, chores: list[tuple[float, Callable[[], float | None]]]):
        self.chores = chores
        self.stopping = threading.Event()

    def run(self) -> None:
        """The thread's loop. A chore that fails is logged, and done again at its next time."""
        due = [0.0] * len(self.chores)
        while not self.stopping.is_set():
            for number, (interval, chore) in enumerate(self.chores):
                if time.monotonic() < due[number]:
                    continue
                sooner = None
                try:
                    sooner = chore()
                except (*LOST, PenstockError) as error:
                    log.warning("a chore has to wait", chore=chore.__qualname__, error=str(error))
                    self.stopping.wait(0.5)
                except Exception as error:
                    if str(error).startswith(FULL_DISK):
                        log.warning("a chore waits for the disk", chore=chore.__qualname__)
                        self.stopping.wait(0.5)
                    else:
                        log.exception("a chore failed", chore=chore.__qualname__)
                wait = interval if sooner is None else min(interval, sooner)
                due[number] = time.monotonic() + wait
            self.stopping.wait(max(0.01, min(due) - time.monotonic()))
