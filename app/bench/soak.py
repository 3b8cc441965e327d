"""`bench soak`: kill -9 at random moments under load, hundreds of times, and count.

Children, workers and all workers at once are killed while events flow, and
replaced. In the end every event must have come out once, and its row be
written once. An event that was handled and not yet settled is handled again:
that is told as `handled twice`, and is no fault.

A pick-up is the time from a kill until what it interrupted begins again, less
the time in which no worker was there that could take it: all were killed, and
the first new one was yet to start. How long that takes is told apart.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import statistics
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from app.bench.machine import Machine, machine
from app.events.event import Event
from app.streams import keys

KINDS = {"child": 60, "worker": 25, "worker and its children": 10, "all workers": 5}
EFFECTS = 20
"""One event in so many writes to the database."""
PATIENCE = 120.0


class Kill(NamedTuple):
    """Which processes were killed when."""

    kind: str
    pids: set[int]
    at: float


class Soak:
    """One run on a machine of its own."""

    def __init__(self, machine: Machine, pool: str, chance: random.Random):
        self.machine = machine
        self.pool = pool
        self.chance = chance
        self.file = machine.folder / "executions"
        self.file.touch()
        machine.environment |= {
            "PENSTOCK_HANDLERS": "app.bench.soak_handlers",
            "PENSTOCK_SOAK_FILE": str(self.file),
        }
        with machine.platform.database.session() as session:
            session.connection().exec_driver_sql("CREATE TABLE soak_effects (n INTEGER)")
        self.sent = 0
        self.kills: list[Kill] = []
        self.starts: list[float] = []
        self.empty: list[tuple[float, float]] = []
        """From when until when there was no worker."""

    def run(self, kills: int, events: int, progress: Callable[[int], None]) -> None:
        """Publish and kill in turns, then wait until nothing is left."""
        self._start()
        self._start()
        for number in range(kills):
            self._publish(events * (number + 1) // kills - self.sent)
            time.sleep(self.chance.uniform(0.0, 0.6))
            self._kill(self.chance.choices(list(KINDS), list(KINDS.values()))[0])
            progress(1)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and not self._is_drained():
            time.sleep(0.1)

    def _start(self) -> None:
        begun = time.monotonic()
        self.machine.start_worker("default", pool=self.pool)
        self.starts.append(time.monotonic() - begun)

    def _publish(self, count: int) -> None:
        events = [
            Event(type="soak.effect" if n % EFFECTS == 0 else "soak.plain", data={"n": n})
            for n in range(self.sent, self.sent + count)
        ]
        self.machine.platform.publisher.publish(events)
        self.sent += count

    def _kill(self, kind: str) -> None:
        workers = list(self.machine.workers)
        victim = self.chance.choice(workers)
        if kind == "child" and self.pool == "prefork" and children(victim.pid):
            pid = self.chance.choice(children(victim.pid))
            os.kill(pid, signal.SIGKILL)
            self.kills.append(Kill(kind, {pid}, time.time()))
            return
        dead = workers if kind == "all workers" else [victim]
        pids = {pid for one in dead for pid in (one.pid, *children(one.pid))}
        at = time.time()
        for one in dead:
            if kind == "worker":
                os.kill(one.pid, signal.SIGKILL)
            else:
                os.killpg(one.pid, signal.SIGKILL)
            self._bury(one)
        self._start()
        if len(dead) == len(workers):
            self.empty.append((at, time.time()))
        for _ in dead[1:]:
            self._start()
        self.kills.append(Kill(kind, pids, at))

    def _bury(self, worker: subprocess.Popen[bytes]) -> None:
        worker.wait()
        self.machine.workers.remove(worker)

    # -- counting

    def _is_drained(self) -> bool:
        if self.machine.client.xlen(keys.topic_stream("soak", 0)) < 2 * self.sent:
            return False  # each event and its output; counting them is too slow to do all the time
        done = self._outputs()
        pending = sum(self._pending(group) for group in ("soak.plain", "soak.effect"))
        return len(done) == self.sent and not pending

    def _pending(self, group: str) -> int:
        streams = (keys.topic_stream("soak", 0), keys.again_stream(group))
        return sum(self.machine.client.xpending(stream, group)["pending"] for stream in streams)

    def _events(self, topic: str) -> list[Event]:
        rows: Any = self.machine.client.xrange(keys.topic_stream(topic, 0))
        return [Event.from_bytes(fields[b"e"]) for _, fields in rows]

    def _outputs(self) -> Counter[int]:
        return Counter(one.data["n"] for one in self._events("soak") if one.type == "soak.done")

    def result(self) -> dict[str, Any]:
        outputs = self._outputs()
        ended: Counter[int] = Counter()
        begun: dict[int, list[tuple[float, int]]] = defaultdict(list)
        finished: set[tuple[int, int]] = set()
        for line in self.file.read_text().splitlines():
            word, n, pid, at = line.split(" ")
            if word == "begin":
                begun[int(n)].append((float(at), int(pid)))
            else:
                ended[int(n)] += word == "end"
                finished.add((int(n), int(pid)))
        waits: dict[str, list[float]] = defaultdict(list)
        for kill in self.kills:
            waits[kill.kind] += _waits(kill, begun, finished, self.empty)
        with sqlite3.connect(self.machine.folder / "penstock.db") as database:
            rows = Counter(n for (n,) in database.execute("SELECT n FROM soak_effects"))
        effects = len(range(0, self.sent, EFFECTS))
        return {
            "kills": dict(Counter(kill.kind for kill in self.kills)),
            "events": self.sent,
            "lost": self.sent - len(outputs),
            "doubled": sum(times - 1 for times in outputs.values()),
            "rows lost": effects - len(rows),
            "rows doubled": sum(times - 1 for times in rows.values()),
            "handled twice": sum(1 for times in ended.values() if times > 1),
            "parked": self._parked(),
            "pick-up, seconds": {
                **_spread([wait for some in waits.values() for wait in some]),
                "after the kill of": {kind: _spread(some) for kind, some in waits.items()},
            },
            "start of a worker, seconds": _spread(self.starts),
        }

    def _parked(self) -> int:
        return sum(record.data["counts"]["parked"] for record in self._events("penstock"))


def _waits(
    kill: Kill,
    begun: dict[int, list[tuple[float, int]]],
    finished: set[tuple[int, int]],
    empty: list[tuple[float, float]],
) -> list[float]:
    """Seconds until what a kill interrupted began again somewhere else; those without a worker don't count."""
    waits = []
    for n, begins in begun.items():
        for (at, pid), (again, _) in pairwise(begins):
            if pid in kill.pids and at <= kill.at and (n, pid) not in finished:
                nobody = sum(
                    max(0.0, min(again, end) - max(kill.at, start)) for start, end in empty
                )
                waits.append(max(0.0, again - kill.at - nobody))
    return waits


def _spread(seconds: list[float]) -> dict[str, float]:
    """How many, and how long in the middle, at the 95th of a hundred, and at most."""
    if not seconds:
        return {"measured": 0}
    ordered = sorted(seconds)
    return {
        "measured": len(ordered),
        "median": statistics.median(ordered),
        "p95": ordered[round(0.95 * (len(ordered) - 1))],
        "max": ordered[-1],
    }


def children(pid: int) -> list[int]:
    """The processes of a worker's pool."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for one in threads for child in (one / "children").read_text().split()]
    except OSError:
        return []


def run(
    kills: int,
    events: int,
    pool: str,
    fsync: str | None,
    seed: int,
    progress: Callable[[int], None],
) -> dict[str, Any]:
    """The counts of one soak. `seed` decides who is killed when."""
    with machine(fsync) as made:
        begun = time.monotonic()
        soak = Soak(made, pool, random.Random(seed))
        soak.run(kills, events, progress)
        return {
            **made.describe(),
            "pool": pool,
            "seed": seed,
            **soak.result(),
            "seconds": round(time.monotonic() - begun, 1),
        }
