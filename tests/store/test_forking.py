"""A child that is forked while threads of its parent use SQLite must not inherit a locked lock."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

from app.store.forking import ForkGate

FORKS = 40
PROGRAM = """
import os, sys, threading, time
from sqlalchemy import text
from app.store.database import Database

database = Database("sqlite:///" + sys.argv[1])
ending = threading.Event()

def use():
    other = Database("sqlite:///" + sys.argv[1])
    while not ending.is_set():
        with other.read() as session:
            session.execute(text("SELECT 1 UNION SELECT 2")).all()

threads = [threading.Thread(target=use, daemon=True) for _ in range(3)]
[thread.start() for thread in threads]
for _ in range(int(sys.argv[2])):
    child = os.fork()
    if not child:
        database.dispose(close=False)
        with database.read() as session:
            session.execute(text("SELECT 1")).all()
        os._exit(0)
    end = time.monotonic() + 30
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > end:
            os.kill(child, 9)
            sys.exit("a child stands still")
        time.sleep(0.001)
ending.set()
"""


def test_children_of_a_process_whose_threads_use_sqlite_can_use_it(tmp_path: Path) -> None:
    done = subprocess.run(
        # From 3.12 on Python warns of every fork beside threads, which is what is tried here.
        [
            sys.executable,
            "-W",
            "ignore::DeprecationWarning",
            "-c",
            PROGRAM,
            str(tmp_path / "a.db"),
            str(FORKS),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_fork_waits_until_all_are_out_and_lets_nobody_in() -> None:
    gate = ForkGate()
    order: list[str] = []
    entered, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with gate.inside():
            entered.set()
            leave.wait(10)
            with gate.inside():  # a transaction within one doesn't wait for the fork
                order.append("out")

    def come_later() -> None:
        with gate.inside():
            order.append("in")

    def fork() -> None:
        with gate.inside():  # its own transaction doesn't hold it up
            gate.before_fork()
            order.append("fork")
            gate.after_in_parent()

    threads = [threading.Thread(target=stay)]
    threads[0].start()
    assert entered.wait(10)
    threads.append(threading.Thread(target=fork))
    threads[1].start()
    while not gate._forking:
        time.sleep(0.001)
    threads.append(threading.Thread(target=come_later))
    threads[2].start()
    leave.set()
    for thread in threads:
        thread.join(10)
    assert order == ["out", "fork", "in"]


def test_a_fork_does_not_wait_for_ever() -> None:
    gate = ForkGate(patience=0.01)
    entered, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with gate.inside():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=stay)
    thread.start()
    assert entered.wait(10)
    gate.before_fork()
    gate.after_in_parent()
    leave.set()
    thread.join(10)
