"""`python -m app up` refuses to start, in one line that says what to do, where it can't work."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def up(tmp_path, free_port):
    """Run it with these variables; it must end by itself."""

    def up(**env: str) -> subprocess.CompletedProcess[str]:
        basics = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PORT": str(free_port)}
        basics["PENSTOCK_DATA_DIR"] = str(tmp_path / "data")
        return subprocess.run(
            [sys.executable, "-m", "app", "up"],
            cwd=ROOT, env=basics | env, capture_output=True, text=True, timeout=60,
        )  # fmt: skip

    return up


def refused(ran: subprocess.CompletedProcess[str]) -> str:
    """What it said: one line, and status 1."""
    assert ran.returncode == 1, ran.stderr
    (line,) = ran.stderr.strip().splitlines()
    assert line.startswith("Error: ")
    return line


def test_a_port_that_is_taken(up, tmp_path):
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()
        port = other.getsockname()[1]
        told = refused(up(PORT=str(port)))
    assert f"Port {port} can't be used" in told
    assert f"PORT={port + 1} make run" in told
    assert not (tmp_path / "data" / "redis").exists()


def test_a_server_that_does_not_answer(up, free_port):
    told = refused(
        up(REDIS_URL=f"redis://:hidden@127.0.0.1:{free_port}/0", PENSTOCK_SECRET_KEY="s" * 40)
    )
    assert f"REDIS_URL (redis://127.0.0.1:{free_port}/0): no server answers" in told
    assert "unset REDIS_URL" in told
    assert "hidden" not in told


def test_a_missing_secret_outside_the_embedded_mode(up):
    told = refused(up(REDIS_URL="redis://127.0.0.1:1/0"))
    assert "PENSTOCK_SECRET_KEY is not set" in told
    assert "openssl rand -hex 32" in told


def test_a_data_folder_that_cannot_be_made(up, tmp_path):
    (tmp_path / "file").write_text("")
    told = refused(up(PENSTOCK_DATA_DIR=str(tmp_path / "file" / "data")))
    assert "The data folder" in told
    assert "PENSTOCK_DATA_DIR" in told


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_data_folder_that_is_read_only(up, tmp_path):
    (tmp_path / "data").mkdir(mode=0o500)
    assert "can't be written (Permission denied)" in refused(up())


def test_a_wrong_setting(up):
    assert "PORT is wrong" in refused(up(PORT="http"))


def test_a_database_that_does_not_answer(up, free_port):
    told = refused(up(DATABASE_URL=f"postgres://u:hidden@127.0.0.1:{free_port}/none"))
    assert "hidden" not in told


def test_a_second_one_in_the_same_folder(up, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    with open(folder / "up.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(str(os.getpid()))
        lock.flush()
        told = refused(up())
    assert f"running already with the data folder {folder}" in told


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=ROOT, capture_output=True, text=True)


def test_a_wrong_python(tmp_path):
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    ran = make(f"PYTHON={old}", f"BIN={tmp_path}/venv/bin", f"RUNTIME={tmp_path}/stamp", "run")
    told = [line for line in ran.stderr.splitlines() if not line.startswith("make")]
    assert told == [
        "Penstock needs Python 3.11 or later: install it, or name it with "
        "`make PYTHON=/path/to/python3.11 run`"
    ]
    assert ran.returncode != 0
