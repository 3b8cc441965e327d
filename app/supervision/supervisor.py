"""All processes of one installation: started, watched, started again, and stopped in order.

Each is a session of its own, so that a signal to this process's group reaches none of them:
the supervisor alone decides who is told, and the server that all need is told last. A keeper
process does the same if the supervisor itself is killed.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence

from app.supervision.child import Child
from app.supervision.output import Output
from app.supervision.stopping import end_all, kill_group

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOOK = 0.1  # seconds between two looks at the processes


class Supervisor:
    """Use as a context manager: leaving it, for whatever reason, leaves no process behind."""

    def __init__(self, output: Output, inherit: Sequence[int] = ()):
        """The keeper inherits the descriptors `inherit`."""
        self.output = output
        self._inherit = inherit
        self.stopping = threading.Event()
        self._children: list[Child] = []
        self._server: Child | None = None
        self._keeper: subprocess.Popen[bytes] | None = None
        output.on_closed = self.stopping.set

    def __enter__(self) -> Supervisor:
        for number in SIGNALS:
            signal.signal(number, self._on_signal)
        self._keeper = subprocess.Popen(
            [sys.executable, "-m", "app.supervision.keeper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=self._inherit,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        children = {
            child.process.pid: child
            for child in [*self._children, *([self._server] if self._server else [])]
            if child.process
        }
        server = self._server.process if self._server else None
        others = [pid for pid in children if not server or pid != server.pid]
        # Popen.poll also reaps, so that a zombie doesn't look alive.
        end_all(others, server.pid if server else None, lambda pid: children[pid].is_running())
        self._tell_keeper_all_is_done(children)

    def add(self, child: Child) -> Child:
        """Start a process and keep it alive."""
        self._children.append(child)
        self._launch(child, "add")
        return child

    def add_server(self, child: Child) -> Child:
        """Start the server that all others need; it is stopped after them."""
        self._server = child
        self._launch(child, "server")
        return child

    def watch(self, until: Callable[[], bool] | None = None) -> bool:
        """Look after the processes until `until` says so (True), or a signal comes (False)."""
        while not self.stopping.wait(LOOK):
            self._look()
            if until and until():
                return True
        return False

    def _look(self) -> None:
        now = time.monotonic()
        for child in [*self._children, *([self._server] if self._server else [])]:
            pid = child.process.pid if child.process else 0
            status = child.ended(now)
            if status is not None:
                kill_group(pid)  # pool children that a killed leader left behind
                self._note(f"remove {pid}")
                self._say_ended(child, status, now)
            if child.again_at is not None and now >= child.again_at:
                self._launch(child, "server" if child is self._server else "add")

    def _say_ended(self, child: Child, status: int, now: float) -> None:
        if child.again_at is not None:
            how = f"signal {-status}" if status < 0 else f"status {status}"
            pause = child.again_at - now
            self.output.line(f"{child.name} ended ({how}); it starts again in {pause:.0f} s")

    def _launch(self, child: Child, word: str) -> None:
        child.launch(time.monotonic())
        assert child.process
        self._note(f"{word} {child.process.pid}")

    def _note(self, text: str) -> None:
        assert self._keeper and self._keeper.stdin
        try:
            self._keeper.stdin.write(text.encode() + b"\n")
            self._keeper.stdin.flush()
        except BrokenPipeError:
            pass  # somebody killed the keeper: we still stop everything ourselves

    def _tell_keeper_all_is_done(self, children: dict[int, Child]) -> None:
        assert self._keeper and self._keeper.stdin
        for pid in children:
            self._note(f"remove {pid}")
        try:
            self._keeper.stdin.close()
        except BrokenPipeError:
            pass
        self._keeper.wait()

    def _on_signal(self, *_: object) -> None:
        self.stopping.set()
