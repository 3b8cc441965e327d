"""What `bench control` reads from its handler's notes: which deliveries follow a control, and which don't yet."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

QUIET = 0.5
"""Seconds without a delivery after which there is no more."""


@dataclass
class Begun:
    """An execution; `until` is when it ended, infinity where it has not."""

    n: int
    pid: int
    attempt: int
    at: float
    until: float = float("inf")


class Trace:
    """The file of the handler's notes, read as it grows. Any thread may ask."""

    def __init__(self, file: Path):
        file.touch()
        self._file = file.open("rb")
        self._rest = b""
        self._lock = threading.Lock()
        self._begun: list[Begun] = []
        self._open: dict[tuple[int, int], Begun] = {}
        self._ended: set[int] = set()

    def ended(self) -> set[int]:
        """The events that were handled to their end."""
        with self._lock:
            self._read()
            return set(self._ended)

    def since(self, at: float) -> list[Begun]:
        """What began after a moment, in order."""
        with self._lock:
            self._read()
            return self._begun[bisect_right(self._begun, at, key=lambda one: one.at) :]

    def is_quiet(self) -> bool:
        return not self.since(time.time() - QUIET)

    def close(self) -> None:
        self._file.close()

    def _read(self) -> None:
        found = False
        *lines, self._rest = (self._rest + self._file.read()).split(
            b"\n"
        )  # the last may be half written
        for line in lines:
            word, n, pid, attempt, at = line.decode().split(" ")
            execution = int(n), int(pid)
            if word == "begin":
                self._open[execution] = Begun(*execution, int(attempt), float(at))
                self._begun.append(self._open[execution])
                found = True
            else:
                self._open.pop(execution).until = float(at)
                self._ended.add(int(n))
        if found:  # processes write at their own pace
            self._begun.sort(key=lambda one: one.at)


def overlapping(begun: Sequence[Begun]) -> list[Begun]:
    """Those that began while another one was in hand."""
    found, busy = [], float("-inf")
    for one in begun:
        if one.at < busy:
            found.append(one)
        busy = max(busy, one.until)
    return found


def above(rate: float, begun: Sequence[Begun]) -> list[Begun]:
    """Those that began before a rate held, which allows a second's worth at once."""
    for first, start in enumerate(begun):
        later = enumerate(begun[first:], start=1)
        if all(number <= rate * (one.at - start.at) + rate + 1 for number, one in later):
            return list(begun[:first])
    return list(begun)
