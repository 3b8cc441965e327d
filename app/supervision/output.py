"""Log lines of several processes on one terminal, each with its process's name in front."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from typing import TextIO

COLOURS = ("36", "33", "35", "32", "34", "31")


class Output:
    """Writes whole lines; safe from several threads. A closed terminal is told to `on_closed`."""

    def __init__(self, stream: TextIO | None = None, on_closed: Callable[[], None] | None = None):
        self.stream = stream or sys.stdout
        self.on_closed = on_closed
        self.width = 0
        self._coloured = self.stream.isatty()
        self._names: dict[str, str] = {}
        self._lock = threading.Lock()
        self._closed = False

    def name(self, name: str) -> None:
        """Make room for a name, so that lines are aligned from the first on."""
        self._names.setdefault(name, COLOURS[len(self._names) % len(COLOURS)])
        self.width = max(map(len, self._names))

    def follow(self, name: str, lines: Iterable[bytes]) -> threading.Thread:
        """Pass lines on until they end, from a thread of its own."""

        def copy() -> None:
            for line in lines:
                self.line(line.decode(errors="replace").rstrip("\r\n"), name)

        thread = threading.Thread(target=copy, name=f"output-{name}", daemon=True)
        thread.start()
        return thread

    def line(self, text: str = "", name: str | None = None) -> None:
        if name:
            text = f"{self._styled(f'{name:<{self.width}} |', self._names[name])} {text}"
        self._write(text + "\n")

    def strong(self, text: str) -> str:
        return self._styled(text, "1")

    def _styled(self, text: str, code: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self._coloured else text

    def _write(self, text: str) -> None:
        with self._lock:
            if self._closed:
                return  # nobody reads; the processes' pipes must be emptied all the same
            try:
                self.stream.write(text)
                self.stream.flush()
                return
            except (OSError, ValueError):
                self._closed = True
        if self.on_closed:
            self.on_closed()
