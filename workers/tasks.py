"""The task that is a lease."""

from __future__ import annotations

from celery import current_app

from workers import runtime
from workers.message import TASK


@current_app.task(name=TASK, acks_late=True, ignore_result=True)
def lease(slot: int, lanes: list[str], seconds: float, ticket: int) -> int:
    """Serve these lanes from this slot; how many entries were handled."""
    if runtime.current is None:
        raise RuntimeError(
            "a lease runs only in a worker that was started with `celery -A workers worker`"
        )
    return runtime.current.run_lease(slot, tuple(lanes), seconds, ticket)
