"""`python -m app up` as people run it: it starts, works, stops without a trace, and goes on."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_START = 100.0
LONGEST_STOP = 10.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Installation:
    """One data folder and port, and the processes that `up` starts with them."""

    def __init__(self, folder: Path):
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PORT": str(self.port),
            "PENSTOCK_DATA_DIR": str(folder / "data"),
        }
        self.log = folder / "log"
        self.up: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with open(self.log, "wb") as log:
            self.up = subprocess.Popen(
                [sys.executable, "-m", "app", "up", "--no-sample"],
                cwd=ROOT, env=self.env, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + LONGEST_START
        while "Penstock is running" not in self.log.read_text():
            assert self.up.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.1)

    def run(self, *arguments: str, expect: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "app", *arguments],
            cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == expect, done.stderr
        return done.stdout

    def processes(self) -> list[str]:
        """Commands of the live processes that know this data folder."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                environment = (process / "environ").read_bytes()
                state = (process / "stat").read_text().rpartition(")")[2].split()[0]
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue  # it ended meanwhile
            if str(self.folder).encode() in environment and state != "Z":
                found.append(command)
        return found

    def wait_until_gone(self) -> None:
        end = time.monotonic() + LONGEST_STOP
        while left := self.processes():
            assert time.monotonic() < end, left
            time.sleep(0.05)


@pytest.fixture
def installation(tmp_path) -> Iterator[Installation]:
    installation = Installation(tmp_path)
    yield installation
    if installation.up and installation.up.poll() is None:
        installation.up.send_signal(signal.SIGTERM)
        installation.up.wait(15)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
def test_it_starts_works_stops_without_a_trace_and_goes_on(installation):
    installation.start()
    said = installation.log.read_text()
    assert f"http://localhost:{installation.port}" in said
    assert "Sign in   admin / " in said
    with urllib.request.urlopen(f"http://127.0.0.1:{installation.port}/healthz") as answer:
        assert answer.status == 200

    accepted = json.loads(installation.run("publish", "order.placed", "{}", "--id", "1", "--json"))
    assert accepted == {"accepted": 1, "duplicates": 0, "ids": ["1"]}
    findings = json.loads(installation.run("doctor", "--json"))["items"]
    assert [one for one in findings if one["state"] == "problem"] == []
    secret = installation.folder / "data" / "secret"
    assert secret.stat().st_mode & 0o777 == 0o600

    # A platform signals the whole group; make does the same for Ctrl-C.
    assert installation.up
    os.killpg(installation.up.pid, signal.SIGTERM)
    assert installation.up.wait(LONGEST_STOP) == 0
    installation.wait_until_gone()
    assert "Nothing is running here" in subprocess.run(
        [sys.executable, "-m", "app", "topics"],
        cwd=ROOT, env=installation.env, capture_output=True, text=True,
    ).stderr  # fmt: skip

    installation.start()
    assert "users password admin" in installation.log.read_text()
    again = json.loads(installation.run("publish", "order.placed", "{}", "--id", "1", "--json"))
    assert again["duplicates"] == 1
    assert installation.up
    installation.up.kill()
    installation.up.wait()
    installation.wait_until_gone()
