"""Who a worker is: its id, and the names of its consumers."""

from __future__ import annotations

import os
import re
import secrets
import socket


def worker_id() -> str:
    """A name that no other worker ever has: host, process id, and four random digits."""
    host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:40]
    return f"{host}-{os.getpid()}-{secrets.token_hex(2)}"


def is_same_process(worker: str, other: str) -> bool:
    """Whether two such names are of one process."""
    return worker.rpartition("-")[0] == other.rpartition("-")[0]


def consumer_name(worker: str, number: int) -> str:
    """The name of a consumer of this worker, in this process."""
    return f"{worker}.{os.getpid()}.{number}"


def is_of_process(consumer: str, worker: str, pid: int) -> bool:
    """Whether a consumer belongs to this process of this worker."""
    return consumer.startswith(f"{worker}.{pid}.")


def worker_of(consumer: str) -> str:
    """The worker that a consumer belongs to."""
    return consumer.partition(".")[0]


def is_alive(pid: int) -> bool:
    """Whether a process of this place exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def is_gone(pid: int) -> bool:
    """Whether a child is gone, reaped or not; our own process never is."""
    if pid == os.getpid():
        return False
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None
    except ChildProcessError:
        return True


def process_of(consumer: str) -> int:
    """The process that a consumer belongs to, on its worker's machine."""
    return int(consumer.split(".")[1])
