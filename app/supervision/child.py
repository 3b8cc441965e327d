"""One supervised process: its command, its log lines, and when to start it again."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.supervision.output import Output

LONGEST_PAUSE = 30.0
STEADY = 60.0  # seconds of life after which earlier crashes are forgotten

Start = Callable[[], "subprocess.Popen[bytes]"]


@dataclass
class Child:
    """A process to keep alive, but for `once` ones, which are to end by themselves."""

    name: str
    start: Start
    once: bool = False
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    crashes: int = 0
    again_at: float | None = None

    def launch(self, now: float) -> None:
        self.process, self.started, self.again_at = self.start(), now, None

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def ended(self, now: float) -> int | None:
        """The status of a process that has ended since the last look, else None.

        Plans the next start, after 1, 2, 4 … seconds.
        """
        if self.process is None or (status := self.process.poll()) is None:
            return None
        self.process = None
        if not self.once:
            self.crashes = 1 if now - self.started > STEADY else self.crashes + 1
            self.again_at = now + min(LONGEST_PAUSE, 2.0 ** (self.crashes - 1))
        return status


def command(arguments: Sequence[str], env: dict[str, str], output: Output, name: str = "") -> Start:
    """How to start a program in a session of its own; its lines go to `output`, under `name`."""
    if name:
        output.name(name)

    def start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            arguments,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout
        output.follow(name, process.stdout)
        return process

    return start
