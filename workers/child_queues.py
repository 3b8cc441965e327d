"""A child that dies while its worker starts leaves queues for its successor.

Celery's pool has a set of queues for each child, and frees those of one that died; but not before its event
loop runs, which begins when the broker was reached. Where a child is killed and the broker lost in that
time, the pool finds no queues for the next child, and the worker ends by an "Unrecoverable error:
StopIteration". So those of a child that is gone are replaced then; they aren't used again, since half
a message may be in them.
"""

from __future__ import annotations

from typing import Any

from celery.concurrency.asynpool import AsynPool


def install() -> None:
    """For every pool of this process."""
    AsynPool.get_process_queues = queues_for_a_child


def queues_for_a_child(pool: Any) -> Any:
    """Queues that no child has; raises `StopIteration`, as Celery's own does, where all are in use."""
    if pool.on_process_down is None:  # no loop yet, which would have freed them
        for queues, owner in list(pool._queues.items()):
            if owner is not None and owner not in pool._pool:
                _close(queues)
                del pool._queues[queues]
                pool._queues[pool.create_process_queues()] = None
    return next(queues for queues, owner in pool._queues.items() if owner is None)


def _close(queues: Any) -> None:
    for queue in filter(None, queues):
        queue._reader.close()
        queue._writer.close()
