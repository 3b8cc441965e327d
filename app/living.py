"""Which process something is in the hands of, and whether that one lives.

Of a process of the same place this is known for certain, where the system tells when a process began:
an id of a process is given again. Of others nothing is known.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

Fate = Literal["gone", "alive", "unknown"]


def place() -> str:
    """Where this process's ids of processes mean anything: the machine since its start, and its namespace of them."""
    namespace, boot = 0, ""
    with suppress(OSError):  # there are none outside of Linux
        namespace = os.stat("/proc/self/ns/pid").st_ino
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{socket.gethostname()}/{namespace}/{boot}"


def this_process() -> dict[str, Any]:
    """In words that another process can judge (`fate`)."""
    pid = os.getpid()
    return {"place": place(), "pid": pid, "began": _began(pid)}


def fate(told: Mapping[str, Any] | None) -> Fate:
    """What became of the process that told so of itself."""
    if not told or told["place"] != place():
        return "unknown"
    try:
        os.kill(told["pid"], 0)
    except ProcessLookupError:
        return "gone"
    except PermissionError:
        pass
    began = _began(told["pid"])
    if began is None or told["began"] is None:
        return "unknown"
    return "alive" if began == told["began"] else "gone"


def _began(pid: int) -> str | None:
    """When a process began, in the system's ticks; "" where it is dead and not yet reaped, None where nobody tells."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = told.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]
