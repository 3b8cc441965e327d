"""How many threads the numerical libraries may use.

Their threads wait by spinning. On a machine whose cores are busy, a training
of 300 rows took 20 s with two threads and 0.3 s with one; so only what is
large enough to be worth it gets more than one.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

WORTH_MORE = 4_000_000
"""Cells of a matrix."""


def threads_for(cells: int) -> AbstractContextManager[Any]:
    """For the length of a block: one thread, or for a large matrix what the machine has."""
    return _controller().limit(limits=None if cells >= WORTH_MORE else 1)


@cache
def _controller() -> Any:
    # It knows the libraries that are loaded when it is made, so they are loaded first.
    import sklearn.ensemble
    import sklearn.linear_model  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
