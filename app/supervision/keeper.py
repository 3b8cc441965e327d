"""The process that cleans up when the supervisor was killed without a chance to do so.

The supervisor writes its processes' ids to this one's standard input: `add PID`, `server PID`,
`remove PID`. When that input ends, the supervisor is gone, whatever took it: what is still
noted is ended in the right order, and so is this process. It hears no other signal.
Run as `python -m app.supervision.keeper`.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable

from app.supervision.stopping import end_all, is_alive


def keep(lines: Iterable[str]) -> None:
    processes: set[int] = set()
    server: int | None = None
    for line in lines:
        word, pid = line.split()[0], int(line.split()[1])
        if word == "add":
            processes.add(pid)
        elif word == "server":
            server = pid
        else:
            processes.discard(pid)
            server = None if server == pid else server
    end_all(processes, server, is_alive)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    keep(sys.stdin)
