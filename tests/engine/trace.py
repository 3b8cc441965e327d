"""What the handlers noted: who began and ended which event, and when."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple


class Line(NamedTuple):
    word: str  # begin or end
    n: int
    pid: int
    at: float


class Trace:
    """The file that all handlers of a rig append to; read as it grows, since tests ask often."""

    def __init__(self, file: Path):
        self.file = file
        self._read: list[Line] = []
        self._to = 0

    def lines(self, word: str | None = None, n: int | None = None) -> list[Line]:
        self._follow()
        return [
            line
            for line in self._read
            if (word is None or line.word == word) and (n is None or line.n == n)
        ]

    def forget(self) -> None:
        """The file is gone: another one is read from its beginning."""
        self._read.clear()
        self._to = 0

    def _follow(self) -> None:
        """Read what was appended."""
        if not self.file.exists():
            return
        with self.file.open("rb") as file:
            file.seek(self._to)
            whole, end, _ = file.read().rpartition(b"\n")  # the last one may be half written
        for row in whole.decode().splitlines():
            said, number, pid, at = row.split(" ")
            self._read.append(Line(said, int(number), int(pid), float(at)))
        self._to += len(whole + end)

    def begun(self, n: int) -> list[Line]:
        return self.lines("begin", n)

    def ended(self) -> Counter[int]:
        """How often each event was handled to its end."""
        return Counter(line.n for line in self.lines("end"))

    def longest(self) -> float:
        """The seconds that an event was in hand at most, of those that were handled to their end."""
        begun: dict[tuple[int, int], float] = {}
        longest = 0.0
        for line in self.lines():
            if line.word == "begin":
                begun[line.n, line.pid] = line.at
            elif (line.n, line.pid) in begun:
                longest = max(longest, line.at - begun[line.n, line.pid])
        return longest
