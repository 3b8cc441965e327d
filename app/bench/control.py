"""`bench control`: how soon workers that are busy do what an operator says.

Each control is given while a backlog is handled. Two times count from the
return of the call: until the last delivery that doesn't follow it yet (`last
wrong`; 0 where there is none), and until the first that shows it (`first
right`). The reference is what an event takes from its publication to its
handler on the same workers without a backlog: no news travels faster.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from app.bench.control_trace import Begun, Trace, above, overlapping
from app.bench.machine import Machine, machine
from app.events.event import Event

NAME = "control.steered"
BACKLOG = 1500
"""Events that wait at least while a control is given."""
FAILING = 10
"""One event in so many fails once."""
WATCHED = 2.0
"""Seconds for which deliveries are looked at after a control: longer than it may take."""
PATIENCE = 60.0
RATE = 20
ALONE = 40
"""Events that are sent for the reference."""
GOAL = 1000.0


class Effect(NamedTuple):
    """When a control was seen, in seconds from the return of the call; None where nothing can tell."""

    wrong: float | None = None
    right: float | None = None


class Load:
    """Keeps a backlog on the subscription, from a thread of its own."""

    def __init__(self, machine: Machine, trace: Trace):
        self.machine, self.trace = machine, trace
        self.sent = self.skipped = 0
        self.began = time.time()
        self._over, self._fed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def publish(self, count: int) -> int:
        """Send so many events; the number of the first one."""
        first, self.sent = self.sent, self.sent + count
        events = [
            Event(
                type="control.asked",
                subject="odd" if n % 2 else "even",
                data={"n": n, "fails": n % FAILING == 0},
            )
            for n in range(first, first + count)
        ]
        self.machine.platform.publisher.publish(events)
        return first

    def on(self) -> None:
        """Keep a backlog from now on; returns when it is being handled."""
        self.began, self.skipped = time.time(), self.sent
        self._fed.set()
        self.machine.wait_for(
            lambda: len(self.trace.since(self.began)) > 100, PATIENCE, "the load to be handled"
        )

    def off(self) -> None:
        """Add nothing any more."""
        self._fed.clear()

    def close(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.1):
            done = sum(n >= self.skipped for n in self.trace.ended())
            if self._fed.is_set() and self.sent - self.skipped - done < BACKLOG:
                self.publish(BACKLOG // 3)


class Bench:
    """The controls, each given and watched by a method of its own."""

    def __init__(self, machine: Machine):
        self.machine = machine
        file = machine.folder / "executions"
        self.trace = Trace(file)
        machine.environment |= {
            "PENSTOCK_HANDLERS": "app.bench.control_handlers",
            "PENSTOCK_CONTROL_FILE": str(file),
        }
        machine.start_workers(["default", "inference"])
        self.subscriptions = machine.platform.subscriptions
        self.load = Load(machine, self.trace)

    def close(self) -> None:
        self.load.close()
        self.trace.close()

    def reference(self) -> list[float]:
        """Seconds from an event's publication to its handler, one at a time on idle workers."""
        return [self._handled_after(time.time(), self.load.publish(1)) for _ in range(ALONE)]

    # -- the controls

    def pause(self) -> Effect:
        self.subscriptions.pause(NAME, "bench")
        at = time.time()
        return Effect(wrong=_last(at, self._after(at)))

    def resume(self) -> Effect:
        self.subscriptions.resume(NAME, "bench")
        return Effect(right=self._first(time.time(), lambda one: True))

    def concurrency(self) -> Effect:
        at = self._change(concurrency=1)
        return Effect(wrong=_last(at, overlapping(self._after(at))))

    def no_concurrency(self) -> Effect:
        at = self._change(concurrency=None)
        self._await(lambda: overlapping(self.trace.since(at)))
        return Effect(right=overlapping(self.trace.since(at))[0].at - at)

    def rate(self) -> Effect:
        at = self._change(rate=RATE)
        wrong = _last(at, above(RATE, self._after(at)))
        self._change(rate=None)
        return Effect(wrong=wrong)

    def retry(self) -> Effect:
        """One attempt only: what fails from now on doesn't come again."""
        at = self._change(retry={"attempts": 1})
        begun = self._after(at)
        again = {one.n for one in begun if one.attempt > 1}
        failed = [
            one
            for one in begun
            if one.n % FAILING == 0 and one.attempt == 1 and one.at < at + WATCHED / 2
        ]
        self._change(retry=None)
        right = min((one.at - at for one in failed if one.n not in again), default=WATCHED)
        return Effect(_last(at, [one for one in failed if one.n in again]), right)

    def filter(self) -> Effect:
        at = self._change(filter={"exact": {"subject": "even"}})
        return Effect(wrong=_last(at, [one for one in self._after(at) if one.n % 2]))

    def no_filter(self) -> Effect:
        at = self._change(filter=None)
        return Effect(right=self._first(at, lambda one: one.n % 2 == 1))

    def lane(self) -> Effect:
        """Into the lane of the other worker, and back."""
        here = {one.pid for one in self.trace.since(time.time() - 1)}
        at = self._change(lane="inference")
        right = self._first(at, lambda one: one.pid not in here)
        wrong = _last(at, [one for one in self._after(at) if one.pid in here])
        self._change(lane=None)
        return Effect(wrong, right)

    def rewind(self) -> Effect:
        """Back to where the load began: what was handled comes again."""
        handled = self.trace.ended()
        self.subscriptions.rewind(NAME, str(self.load.began), "bench")
        return Effect(
            right=self._first(
                time.time(),
                lambda one: one.n in handled and one.n % FAILING != 0,  # no second try
            )
        )

    def skip(self) -> Effect:
        """Leave out a backlog, and send one event."""
        self.load.off()
        self.load.publish(BACKLOG)
        self.subscriptions.skip(NAME, "bench")
        at, n = time.time(), self.load.publish(1)
        right = self._handled_after(at, n)
        wrong = _last(at, [one for one in self._after(at) if one.n < n])
        return Effect(wrong, right)

    # -- watching

    def _change(self, **changes: Any) -> float:
        """Change the subscription; the moment at which the call returned."""
        self.subscriptions.update(NAME, changes, "bench")
        return time.time()

    def _after(self, at: float) -> list[Begun]:
        """What began in the time that is watched after a moment."""
        time.sleep(max(0.0, at + WATCHED - time.time()))
        return self.trace.since(at)

    def _first(self, at: float, shows: Callable[[Begun], bool]) -> float:
        """Seconds from a moment until a delivery that shows something."""
        self._await(lambda: any(map(shows, self.trace.since(at))))
        return next(one.at for one in self.trace.since(at) if shows(one)) - at

    def _handled_after(self, at: float, n: int) -> float:
        return self._first(at, lambda one: one.n == n)

    def _await(self, condition: Callable[[], Any]) -> None:
        self.machine.wait_for(condition, PATIENCE, "a delivery that follows")


CONTROLS: dict[str, Callable[[Bench], Effect]] = {
    "pause": Bench.pause,
    "resume": Bench.resume,
    "concurrency of 1": Bench.concurrency,
    "no limit of concurrency": Bench.no_concurrency,
    f"rate of {RATE}": Bench.rate,
    "retry policy": Bench.retry,
    "filter": Bench.filter,
    "no filter": Bench.no_filter,
    "lane": Bench.lane,
    "rewind": Bench.rewind,
    "skip the backlog": Bench.skip,
}


def run(rounds: int, fsync: str | None, tell: Callable[[str], None]) -> dict[str, Any]:
    """Each control once a round; the medians and the longest of its times, in ms."""
    with machine(fsync) as made:
        bench = Bench(made)
        try:
            delays = bench.reference()
            found: dict[str, list[Effect]] = {name: [] for name in CONTROLS}
            for number in range(rounds):
                bench.load.on()
                for name, give in CONTROLS.items():
                    effect = give(bench)
                    found[name].append(effect)
                    tell(f"round {number + 1}, {name}: {_told(effect)}")
        finally:
            bench.close()
        slowest = max(s for some in found.values() for one in some for s in one if s is not None)
        return {
            "benchmark": "control (ms from the return of the call)",
            **made.describe(),
            "reference: from publish to handled": _spread(delays),
            "controls": {name: _figures(effects) for name, effects in found.items()},
            "slowest": slowest * 1000,
            "slowest against the reference": slowest / statistics.median(delays),
            "goal": GOAL,
        }


def _last(at: float, begun: list[Begun]) -> float:
    """Seconds from a moment until the last of these began; 0 where there is none."""
    return max((one.at - at for one in begun), default=0.0)


def _figures(effects: list[Effect]) -> dict[str, dict[str, float]]:
    shown = {
        "last wrong": [one.wrong for one in effects if one.wrong is not None],
        "first right": [one.right for one in effects if one.right is not None],
    }
    return {name: _spread(seconds) for name, seconds in shown.items() if seconds}


def _spread(seconds: list[float]) -> dict[str, float]:
    return {"median": statistics.median(seconds) * 1000, "max": max(seconds) * 1000}


def _told(effect: Effect) -> str:
    told = {"last wrong": effect.wrong, "first right": effect.right}
    return ", ".join(f"{name} {1000 * s:.0f} ms" for name, s in told.items() if s is not None)
