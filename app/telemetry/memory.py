"""How much memory processes hold, where the system says so (Linux)."""

from __future__ import annotations

import os
from collections.abc import Iterable

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def resident(pids: Iterable[int]) -> int | None:
    """The resident bytes of these processes together; None where nobody can tell.

    Pages that children share with their parent count for each: it is an upper bound.
    """
    total = 0
    for pid in set(pids):
        try:
            with open(f"/proc/{pid}/statm") as file:
                total += int(file.read().split()[1]) * _PAGE
        except (OSError, ValueError, IndexError):
            continue  # it has ended
    return total or None
