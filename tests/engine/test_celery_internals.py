"""The insides of Celery that `workers/step.py` and `workers/message.py` lean on.

Where one of these fails after an upgrade, read the named place in Celery anew
before anything else.
"""

from __future__ import annotations

import inspect

import celery
from billiard.pool import Pool as BilliardPool
from celery import bootsteps, signals
from celery.concurrency.asynpool import AsynPool
from celery.concurrency.prefork import TaskPool
from celery.worker import loops, state, strategy
from celery.worker.consumer import Consumer
from celery.worker.consumer.consumer import Evloop
from celery.worker.consumer.tasks import Tasks
from celery.worker.request import Request, create_request_cls

from config.settings import Settings
from workers.application import make
from workers.message import LeaseMessage
from workers.step import LeaseStep


def test_the_version_is_the_one_that_was_read() -> None:
    assert celery.__version__.startswith("5.7.")


def test_create_task_handler_takes_a_decoded_message() -> None:
    assert list(inspect.signature(Consumer.create_task_handler).parameters)[:1] == ["self"]
    source = inspect.getsource(Consumer.create_task_handler)
    assert "message.headers['task']" in source
    assert "message.ack_log_error" in source and "message.reject_log_error" in source
    assert "message, payload," in source


def test_a_strategy_builds_a_request_from_headers_and_payload() -> None:
    source = inspect.getsource(strategy.default)
    assert "body is None and 'args' not in message.payload" in source
    parameters = inspect.signature(Request.__init__).parameters
    for name in ("message", "on_ack", "on_reject", "headers", "decoded", "body"):
        assert name in parameters


def test_a_request_is_made_of_a_lease_message() -> None:
    ended: list[str] = []
    message = LeaseMessage([0, ["default"], 1.0, 1], "slot 0: default", ended.append)

    body, headers, decoded, utc = strategy.hybrid_to_proto2(message, message.payload)
    request_class = create_request_cls(Request, _Task(), _Pool(), "host", None)
    request = request_class(
        message,
        on_ack=message.ack_log_error,
        on_reject=message.reject_log_error,
        app=_Task.app,
        hostname="host",
        eventer=None,
        task=_Task(),
        connection_errors=(),
        body=body,
        headers=headers,
        decoded=decoded,
        utc=utc,
    )
    assert request.id == message.id
    assert request.time_limits == [None, None]
    request.acknowledge()
    assert ended == [message.id]


class _Pool:
    def apply_async(self, *_: object) -> None:
        raise AssertionError("nothing is run here")


class _Task:
    """As much of a task as a request reads."""

    from celery import Celery

    app = Celery("internals", set_as_current=False)
    name = "penstock.lease"
    acks_late = True
    time_limit = soft_time_limit = None
    reject_on_worker_lost = False
    acks_on_failure_or_timeout = True
    __trace__ = staticmethod(lambda *_: None)


def test_the_step_runs_after_the_tasks_and_before_the_loop() -> None:
    assert Tasks.__module__ == "celery.worker.consumer.tasks"
    assert LeaseStep.requires == ("celery.worker.consumer.tasks:Tasks",)
    assert Evloop.last
    assert issubclass(LeaseStep, bootsteps.StartStopStep)
    assert "register_with_event_loop" in inspect.getsource(Consumer.register_with_event_loop)


def test_the_pool_tells_its_processes_and_replaces_dead_ones() -> None:
    assert "self.maintain_pool = P.maintain_pool" in inspect.getsource(TaskPool)
    assert "self._pool = []" in inspect.getsource(BilliardPool.__init__)
    # A lost child's job fails at once, not after `worker_lost_wait`.
    assert "mark_as_worker_lost" in inspect.getsource(AsynPool.on_job_process_lost)


def test_a_pool_is_asked_once_whether_it_started() -> None:
    assert "obj.pool.did_start_ok()" in inspect.getsource(loops.asynloop)
    assert list(inspect.signature(TaskPool.did_start_ok).parameters) == ["self"]


def test_what_the_broker_refuses_is_tried_again() -> None:
    assert make(Settings(redis_url="redis://nowhere")).conf.broker_channel_error_retry
    assert "self.app.conf.broker_channel_error_retry" in inspect.getsource(Consumer.start)


def test_the_state_says_when_to_stop_and_what_is_reserved() -> None:
    assert state.should_stop is None and state.should_terminate is None
    assert hasattr(state, "reserved_requests") and hasattr(state, "active_requests")
    assert bootsteps.CLOSE != bootsteps.TERMINATE


def test_the_signals_that_build_the_engine_are_there() -> None:
    for name in (
        "celeryd_after_setup",
        "worker_process_init",
        "setup_logging",
        "worker_shutdown",
    ):
        assert hasattr(signals, name)
