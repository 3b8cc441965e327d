"""Processes are kept alive, told to end in order, and never left behind."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from app.supervision.child import Child, command
from app.supervision.output import Output
from app.supervision.stopping import is_alive
from app.supervision.supervisor import Supervisor

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('up', flush=True)
time.sleep(60)
"""
# A leader that ends on SIGTERM, and a pool child of its own that ignores it.
PARENT = f"""
import signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {STUBBORN!r}])
print("child", child.pid, flush=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
time.sleep(60)
"""


def wait_for(condition: Callable[[], object], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    """Whether no live process has this id; a zombie that init has yet to reap is gone."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return not is_alive(pid)
    return state == "Z"


@pytest.fixture
def output():
    return Output(io.StringIO())


@pytest.fixture(autouse=True)
def _signals():
    before = {number: signal.getsignal(number) for number in (2, 15, 1)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def python(output: Output, code: str, name: str = "it") -> Child:
    return Child(name, command([sys.executable, "-c", code], dict(os.environ), output, name))


def test_lines_have_their_process_in_front(output):
    with Supervisor(output) as supervisor:
        supervisor.add(python(output, "print('hello'); import time; time.sleep(60)", "web"))
        wait_for(lambda: "hello" in output.stream.getvalue())
    assert output.stream.getvalue().startswith("web | hello\n")


def test_a_process_that_ends_is_started_again_and_said_so(output, tmp_path):
    log = tmp_path / "starts"
    code = f"open({str(log)!r}, 'a').write('x'); raise SystemExit(3)"
    with Supervisor(output) as supervisor:
        supervisor.add(python(output, code, "web"))
        assert supervisor.watch(until=lambda: log.exists() and len(log.read_text()) >= 2)
    assert "web ended (status 3); it starts again in 1 s" in output.stream.getvalue()


def test_pauses_between_starts_grow(output):
    child = python(output, "raise SystemExit(1)")
    pauses = []
    for moment in range(0, 4):
        child.launch(moment)
        assert child.process
        child.process.wait()
        child.ended(moment)
        assert child.again_at is not None
        pauses.append(child.again_at - moment)
    assert pauses == [1, 2, 4, 8]


def test_leaving_ends_leaders_and_what_they_started(output):
    with Supervisor(output) as supervisor:
        supervisor.add(python(output, PARENT))
        wait_for(lambda: "up" in output.stream.getvalue())
        pool_child = int(output.stream.getvalue().partition("child ")[2].split()[0])
        began = time.monotonic()
    assert time.monotonic() - began < 5
    wait_for(lambda: gone(pool_child))


def test_the_server_ends_last(output, tmp_path):
    def on_end(name: str) -> str:
        write = f"open({str(tmp_path / 'ends')!r}, 'a').write({name!r} + ' '); sys.exit(0)"
        return (
            f"import signal, sys, time; signal.signal(15, lambda *_: exec({write!r})); "
            f"print('ready', flush=True); time.sleep(60)"
        )

    with Supervisor(output) as supervisor:
        supervisor.add_server(python(output, on_end("server"), "redis"))
        supervisor.add(python(output, on_end("web"), "web"))
        wait_for(lambda: output.stream.getvalue().count("ready") == 2)
    assert (tmp_path / "ends").read_text() == "web server "


def test_a_stubborn_process_is_killed_within_ten_seconds(output):
    with Supervisor(output) as supervisor:
        child = supervisor.add(python(output, STUBBORN))
        wait_for(lambda: "up" in output.stream.getvalue())
        assert child.process
        began = time.monotonic()
    assert time.monotonic() - began < 10
    assert child.process.returncode == -signal.SIGKILL


def test_a_signal_ends_the_watch(output):
    with Supervisor(output) as supervisor:
        os.kill(os.getpid(), signal.SIGTERM)
        assert supervisor.watch() is False


SUPERVISING = f"""
import os, sys
from app.supervision.child import Child, command
from app.supervision.output import Output
from app.supervision.supervisor import Supervisor
output = Output()
with Supervisor(output) as supervisor:
    run = [sys.executable, "-c", {PARENT!r}]
    child = supervisor.add(Child("it", command(run, dict(os.environ), output, "it")))
    output.line(f"leader {{child.process.pid}}")
    supervisor.watch()
"""


def test_when_the_supervisor_is_killed_nothing_is_left():
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISING], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )
    assert process.stdout
    said = ""
    while "up" not in said or "leader" not in said:
        said += process.stdout.readline()
    leader, pool_child = (int(said.partition(w)[2].split()[0]) for w in ("leader ", "child "))
    process.kill()
    process.wait()
    wait_for(lambda: gone(leader))
    wait_for(lambda: gone(pool_child))
    process.stdout.close()


def test_a_closed_terminal_ends_it_and_blocks_no_process():
    reader, writer = os.pipe()
    stream = os.fdopen(writer, "w")
    output = Output(stream)
    os.close(reader)
    with Supervisor(output) as supervisor:
        chatty = "import time\nwhile True: print('x' * 9000, flush=True); time.sleep(0.01)"
        supervisor.add(python(output, chatty))
        assert supervisor.watch(until=lambda: False) is False
    with suppress(BrokenPipeError):
        stream.close()
