"""Ending processes that lead sessions of their own: politely, then by force, within a bound.

Only leaders are asked: a signal to the whole group would kill pool children in the middle of
what they do. What is left of a group after its leader's end is killed. Plain functions on
process ids, since the keeper stops processes that are not its children.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Collection

PATIENCE = 7.0  # seconds for web and workers; the platform allows 10 in all
SERVER_PATIENCE = 1.5  # it writes out its file and ends


def end_all(
    processes: Collection[int],
    server: int | None,
    alive: Callable[[int], bool],
    patience: float = PATIENCE,
) -> None:
    """End `processes`, then `server`, which they need until they are gone."""
    end(processes, alive, patience)
    if server is not None:
        end([server], alive, SERVER_PATIENCE)


def end(leaders: Collection[int], alive: Callable[[int], bool], patience: float) -> None:
    for leader in leaders:
        _signal(os.kill, leader, signal.SIGTERM)
    waiting = time.monotonic() + patience
    while any(alive(leader) for leader in leaders) and time.monotonic() < waiting:
        time.sleep(0.02)
    for leader in leaders:
        kill_group(leader)
    waiting = time.monotonic() + 1
    while any(alive(leader) for leader in leaders) and time.monotonic() < waiting:
        time.sleep(0.02)


def kill_group(leader: int) -> None:
    """Kill what is left of the group that `leader` led."""
    _signal(os.killpg, leader, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Whether a process that is not ours exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _signal(send: Callable[[int, int], None], pid: int, number: int) -> None:
    try:
        send(pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # gone already; macOS answers EPERM for a group of zombies
