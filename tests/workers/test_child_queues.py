"""A child that died while its worker started leaves queues for its successor."""

from __future__ import annotations

import pytest
from celery.concurrency.asynpool import AsynPool

from workers.child_queues import _close, queues_for_a_child


@pytest.fixture
def pool():
    """Celery's own, without a loop yet."""
    made = object.__new__(AsynPool)
    made.synack, made.on_process_down = False, None
    made._pool = ["a child"]
    made._queues = {made.create_process_queues(): made._pool[0]}
    yield made
    for queues in made._queues:
        _close(queues)


def test_the_queues_of_a_child_that_is_gone_are_replaced(pool):
    left = pool.create_process_queues()
    pool._queues[left] = "one that was killed"
    found = queues_for_a_child(pool)

    assert found is not left and left not in pool._queues and len(pool._queues) == 2
    assert left[0]._writer.closed
    assert queues_for_a_child(pool) is found  # nobody has it yet
    pool._queues[found] = pool._pool[0]
    with pytest.raises(StopIteration):
        queues_for_a_child(pool)


def test_free_queues_are_taken_first(pool):
    free = pool.create_process_queues()
    pool._queues[free] = None
    assert queues_for_a_child(pool) is free
