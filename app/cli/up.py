"""`python -m app up`: everything on one machine, which is what `make run` does.

In this order: look for what would go wrong, start the server (where REDIS_URL is unset), bring
the database up to date, start web and the workers, wait until they are ready, say how to get in,
and load the sample. Then keep all of it running until a signal comes.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from app.cli import checks, processes, welcome
from app.embedded.server import EmbeddedServer
from app.supervision.child import Child, command
from app.supervision.output import Output
from app.supervision.supervisor import Supervisor
from config.errors import SettingsError
from config.settings import VARIABLES, Settings, redis_url_file

LONGEST_START = 90.0  # seconds until everything must be ready


@click.command(
    epilog="\b\nExample:\n  python -m app up\n  PORT=8001 python -m app up --no-sample",
)
@click.option("--sample/--no-sample", default=True, help="Load the sample if there is no dataset.")
def up(sample: bool) -> None:
    """Start everything on this machine and keep it running.

    Without REDIS_URL it starts a server of its own, without DATABASE_URL it uses SQLite;
    both keep their data in PENSTOCK_DATA_DIR (.penstock). Ctrl-C stops it all.
    """
    settings = Settings.load()
    checks.folder_is_writable(settings.data_dir)
    output = Output()
    with checks.alone_in(settings.data_dir) as lock, _address_file(settings.data_dir) as address:
        checks.port_is_free(settings.port)
        with Supervisor(output, inherit=[lock]) as supervisor:
            if settings.embedded:
                redis_url = _start_server(settings, supervisor, lock)
                address.write_text(redis_url + "\n")
            else:
                redis_url = settings.require_redis()
                checks.server_answers(redis_url)
            _run(settings, redis_url, supervisor, sample)
            output.line("Stopping ...")
    output.line("Stopped.")


def _run(settings: Settings, redis_url: str, supervisor: Supervisor, sample: bool) -> None:
    output = supervisor.output
    env = processes.environment(settings, redis_url)
    password = _prepare(settings, env)
    for name, arguments in processes.commands().items():
        supervisor.add(Child(name, command(arguments, env, output, name)))
    if not supervisor.watch(until=_ready(settings.port)):
        return
    for line in welcome.lines(settings, password, output.strong):
        output.line(line)
    if sample:
        arguments = [sys.executable, "-m", "app.cli.sample"]
        supervisor.add(Child("sample", command(arguments, env, output), once=True))
    supervisor.watch()


@contextmanager
def _address_file(data_dir: Path) -> Iterator[Path]:
    """Where others read the server's address, for as long as it is true."""
    address = redis_url_file(data_dir)
    address.unlink(missing_ok=True)
    address.touch(mode=0o600)
    try:
        yield address
    finally:
        address.unlink(missing_ok=True)


def _start_server(settings: Settings, supervisor: Supervisor, lock: int) -> str:
    """Start a server of our own and answer its address."""
    server = EmbeddedServer(settings.data_dir / "redis")
    log = settings.data_dir / "redis.log"

    def start() -> subprocess.Popen[bytes]:
        with open(log, "ab") as file:
            return server.start(file, inherit=[lock])

    supervisor.add_server(Child("redis", start))
    try:
        server.wait_ready()
    except SettingsError as error:
        raise SettingsError(f"{error}: {_last_line(log)}") from None
    supervisor.output.line(
        f"{server.binary} keeps the events in {server.folder} "
        f"(append-only file, fsync {server.fsync})"
    )
    return server.url


def _prepare(settings: Settings, env: dict[str, str]) -> str | None:
    """Bring the database up to date; answers the administrator's password if it is new."""
    given = settings.admin_password
    password = given.get_secret_value() if given else secrets.token_urlsafe(12)
    done = subprocess.run(
        [sys.executable, "-m", "app", "migrate", "--json"],
        env=env | {VARIABLES["admin_password"]: password},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise SettingsError(lines[-1].removeprefix("Error: "))
    report: dict[str, Any] = json.loads(done.stdout)
    return password if report["administrator"] == "created" else None


def _ready(port: int) -> Callable[[], bool]:
    """Whether the web process answers, with all that it needs, and all workers are alive."""
    give_up = time.monotonic() + LONGEST_START

    def is_ready() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
                if json.load(answer)["workers"] >= processes.workers():
                    return True
                missing = "workers are"
        except (urllib.error.URLError, OSError):
            missing = "web process is"
        if time.monotonic() > give_up:
            raise SettingsError(
                f"The {missing} not ready after {LONGEST_START:.0f} s: the lines above say why"
            )
        return False

    return is_ready


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it wrote nothing"
