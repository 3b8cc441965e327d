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
    """The file that all handlers of a rig append to."""

    def __init__(self, file: Path):
        self.file = file

    def lines(self, word: str | None = None, n: int | None = None) -> list[Line]:
        if not self.file.exists():
            return []
        found = []
        for row in self.file.read_text().splitlines():
            said, number, pid, at = row.split(" ")
            found.append(Line(said, int(number), int(pid), float(at)))
        return [
            line
            for line in found
            if (word is None or line.word == word) and (n is None or line.n == n)
        ]

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
