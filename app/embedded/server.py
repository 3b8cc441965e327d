"""One embedded server: its configuration, its start, its end.

It listens on a Unix socket in its folder, or, where that path is too long for one, on a free
loopback port behind a password. It keeps an append-only file and never forgets by itself:
no eviction, and no snapshots beside the file. Restarting it when it dies is for its owner.
"""

from __future__ import annotations

import secrets
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import IO

import redis

from app.embedded.binary import Binary, choose
from config.errors import SettingsError

LONGEST_SOCKET_PATH = 100  # 104 bytes on macOS, 108 on Linux, with the final zero


class EmbeddedServer:
    """A server whose data is in `folder`; `fsync` is a policy, or None to keep nothing."""

    def __init__(
        self, folder: Path, *, fsync: str | None = "everysec", binary: Binary | None = None
    ):
        self.folder = folder.absolute()
        self.fsync = fsync
        self._mark = self.folder / "written-by"
        self.binary = binary or choose(self._written_by())
        self.process: subprocess.Popen[bytes] | None = None
        self._socket = self.folder / "redis.sock"
        self._password = ""
        self._port = 0
        if len(bytes(self._socket)) > LONGEST_SOCKET_PATH:
            self._password = secrets.token_urlsafe(24)
            self._port = _free_port()

    @property
    def url(self) -> str:
        if self._port:
            return f"redis://:{self._password}@127.0.0.1:{self._port}/0"
        return f"unix://{self._socket}?db=0"

    def start(
        self, output: IO[bytes] | int = subprocess.DEVNULL, inherit: Sequence[int] = ()
    ) -> subprocess.Popen[bytes]:
        """Start the program in a session of its own; its log goes to `output`."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._mark.write_text(self.binary.product + "\n")
        self._socket.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [self.binary.path, "-"],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            start_new_session=True,
            pass_fds=inherit,
        )
        # By standard input, so that no password shows in the list of processes.
        assert self.process.stdin
        with self.process.stdin as stdin:
            stdin.write(self._configuration().encode())
        return self.process

    def wait_ready(self, timeout: float = 60) -> None:
        """Wait until it answers, however long a large file takes to load within `timeout`."""
        assert self.process
        end = time.monotonic() + timeout
        with closing(redis.Redis.from_url(self.url, socket_timeout=5)) as client:
            while True:
                try:
                    client.ping()
                    return
                except redis.exceptions.RedisError as error:
                    problem = error
                if self.process.poll() is not None:
                    raise SettingsError(
                        f"{self.binary} in {self.folder} ended at once (status "
                        f"{self.process.returncode})"
                    )
                if time.monotonic() > end:
                    raise SettingsError(
                        f"{self.binary} does not answer after {timeout:.0f} s: {problem}"
                    )
                time.sleep(0.02)

    def stop(self, timeout: float = 8) -> None:
        """End it, writing out what it holds; by force after `timeout` seconds."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._socket.unlink(missing_ok=True)

    def _written_by(self) -> str | None:
        try:
            return self._mark.read_text().strip()
        except OSError:
            return None

    def _configuration(self) -> str:
        lines = [
            f"dir {_quoted(self.folder)}",
            'save ""',
            f"appendonly {'yes' if self.fsync else 'no'}",
            f"appendfsync {self.fsync or 'no'}",
            "maxmemory-policy noeviction",
            "daemonize no",
            "loglevel notice",
            "always-show-logo no",
        ]
        if self._port:
            lines += [f"port {self._port}", "bind 127.0.0.1", f"requirepass {self._password}"]
        else:
            lines += ["port 0", f"unixsocket {_quoted(self._socket)}", "unixsocketperm 700"]
        return "\n".join(lines) + "\n"


def _quoted(path: Path) -> str:
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
