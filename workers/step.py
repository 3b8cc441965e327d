"""Where Penstock meets Celery. With `child_queues.py` this is all that leans on Celery's insides:

- a step on the consumer's blueprint: `start` at every (re)connection, `stop`
  before a restart and at the end, `register_with_event_loop` for the hub;
- `Consumer.create_task_handler()`, called with a message of our own
  (`message.py`) on the main thread, so that Celery's own request runs a lease:
  pools, `inspect active`, revoke and Flower work as for any task;
- the pool's list of processes and its `maintain_pool()`, so that a dead child is
  replaced now: Celery itself may notice it five seconds later; and its
  `did_start_ok`, asked once: a child that died while the pool started is
  replaced, where Celery would end the worker;
- `worker.state`: whether the worker is to stop, and which ordinary tasks it holds.

`tests/engine/test_celery_internals.py` fails when one of these changes.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from functools import partial
from typing import Any

import structlog
from celery import Celery, bootsteps, signals
from celery.worker import state as celery_state

from app import collector
from app.subscriptions.identity import is_gone
from workers.engine import Engine
from workers.message import TASK, LeaseMessage

log = structlog.get_logger(__name__)
_engine: Engine | None = None


def install(celery: Celery) -> None:
    """Put the step and the signals on an application."""
    celery.steps["consumer"].add(LeaseStep)
    signals.celeryd_after_setup.connect(_before_pool, weak=False)
    signals.worker_process_init.connect(_in_child, weak=False)
    signals.setup_logging.connect(_own_logging, weak=False)
    signals.worker_shutdown.connect(_after_all, weak=False)


def _own_logging(**_: Any) -> None:
    """Logs are ours (`app.telemetry.logs`); the engine sets them up."""


def _before_pool(instance: Any, **_: Any) -> None:
    """Before the pool forks: import the handlers, make what parent and children share."""
    global _engine
    lanes = tuple(queue for queue in instance.app.amqp.queues.consume_from)
    try:
        _engine = Engine(lanes, instance.concurrency or os.cpu_count() or 1, _pool_name(instance))
    except Exception:
        # Celery logs what a signal's receiver raises and goes on; there is nothing to go on with.
        log.exception("the worker can't start")
        sys.exit(1)
    collector.tune()  # here, so that children inherit it


def _in_child(**_: Any) -> None:
    if _engine is not None:
        _engine.runtime.after_fork()


def _after_all(**_: Any) -> None:
    if _engine is not None:
        _engine.leave()


def _pool_name(worker: Any) -> str:
    module = getattr(worker.pool_cls, "__module__", str(worker.pool_cls))
    return module.rpartition(".")[2]


def children(pool: Any) -> list[int]:
    """The processes of a prefork pool; none of the other pools."""
    inner = getattr(pool, "_pool", None)
    return [process.pid for process in list(getattr(inner, "_pool", ())) if process.pid]


def ordinary_requests() -> list[Any]:
    """The tasks that Celery holds, waiting or running, which are no leases."""
    while True:
        try:
            return [one for one in list(celery_state.reserved_requests) if one.name != TASK]
        except RuntimeError:
            continue  # the main thread changed the set meanwhile


def _mended(pool: Any) -> bool:
    """Replace the children that died while the pool started; it runs then."""
    pool.maintain_pool()
    return True


class LeaseStep(bootsteps.StartStopStep):
    """Starts leases for as long as the consumer runs."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, consumer: Any, **_: Any):
        self.consumer = consumer
        self.waiting: deque[LeaseMessage] = deque()
        self.tending = False
        self.bell, self.rope = os.pipe()
        os.set_blocking(self.bell, False)
        os.set_blocking(self.rope, False)

    def start(self, consumer: Any) -> None:
        """Celery has (re)connected."""
        assert _engine is not None, "celeryd_after_setup comes before the consumer"
        self.handler = consumer.create_task_handler()
        consumer.pool.did_start_ok = partial(_mended, consumer.pool)
        _engine.slots.detached = False
        _engine.begin(self.submit, lambda: self._limit(consumer), self.tend)

    def stop(self, consumer: Any) -> None:
        """The consumer restarts, in which case leases go on; or the worker ends, and they give way."""
        if (
            celery_state.should_stop is not None
            or celery_state.should_terminate is not None
            or self._closing(consumer)
        ):
            self._close()
        elif _engine is not None:
            _engine.slots.detached = True

    terminate = stop

    def register_with_event_loop(self, consumer: Any, hub: Any) -> None:
        hub.add_reader(self.bell, self._hand_over)

    def submit(self, message: LeaseMessage) -> None:
        """From any thread: have the main thread hand the message to Celery."""
        self.waiting.append(message)
        self._ring()

    def tend(self) -> None:
        """From any thread: make room for ordinary tasks, have children replaced that are gone.

        A solo pool's main thread may be in a handler when the worker is told to stop: it is seen here.
        """
        if celery_state.should_stop is not None or celery_state.should_terminate is not None:
            self._close()
        assert _engine is not None
        waiting = any(one not in celery_state.active_requests for one in ordinary_requests())
        _engine.make_room(waiting)
        if any(is_gone(pid) for pid in children(self.consumer.pool)):
            self.tending = True
            self._ring()

    @staticmethod
    def _close() -> None:
        assert _engine is not None
        _engine.close()

    def _ring(self) -> None:
        try:
            os.write(self.rope, b"!")
        except BlockingIOError:
            pass  # the pipe is full of the same news

    def _hand_over(self, *_: Any) -> None:
        try:
            os.read(self.bell, 4096)
        except BlockingIOError:
            pass
        if self.tending:
            self.tending = False
            self.consumer.pool.maintain_pool()
        while self.waiting:
            self.handler(self.waiting.popleft())

    def _limit(self, consumer: Any) -> int:
        """How many leases the pool has room for: ordinary tasks come first."""
        if self._closing(consumer):
            return 0  # the pool may be gone
        return max(0, consumer.pool.num_processes - len(ordinary_requests()))

    @staticmethod
    def _closing(consumer: Any) -> bool:
        blueprint = getattr(consumer.controller, "blueprint", None)
        return blueprint is not None and blueprint.state in (bootsteps.CLOSE, bootsteps.TERMINATE)
