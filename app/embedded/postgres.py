"""A PostgreSQL for the length of a block: from the PATH, or the usual places, else from a wheel.

For tests, and for benchmarks, which want it `durable` as it is by default. It refuses to run as
root, so where we are root it runs as another user.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNPRIVILEGED = ("postgres", "nobody")
MEMORY = Path("/dev/shm")
"""A file system in memory, on Linux."""
ROOM = 2 << 30
"""Bytes that must be free there: several servers may run at once, and one takes some 200 MB."""
INITDB = ("-U", "penstock", "-A", "trust", "-E", "UTF8", "--no-sync")


class NoPostgres(Exception):
    """There is no PostgreSQL here: install one (`apt-get install postgresql`) or pgserver."""


@contextmanager
def running_postgres(durable: bool = False, keep: Path | None = None) -> Iterator[str]:
    """The URL of a server (without a database's name), for as long as the block lasts.

    A fresh one, unless `keep` is a folder with what an earlier block left there. Unless `durable`
    it waits for no disk, is in memory where that has room, and forgets all in a power cut. Raises
    `NoPostgres`.
    """
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="penstock-pg-", dir=None if durable else _in_memory()))
    user = _unprivileged()
    data = (keep or folder) / "data"
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
    for one in (folder, keep):
        if user and one:
            os.chown(one, user.pw_uid, user.pw_gid)
    env = {**os.environ, "LC_ALL": "C", "PGUSER": "penstock"}

    def run(program: str, *arguments: str) -> None:
        done = subprocess.run(
            [programs / program, *arguments],
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            raise NoPostgres(f"{program} failed: {done.stderr.strip()}")

    try:
        if not (data / "PG_VERSION").exists():
            run("initdb", "-D", str(data), *INITDB)
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c max_connections=60"
        if not durable:
            options += " -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
        log = str(folder / "log")
        run("pg_ctl", "-D", str(data), "-w", "-l", log, "-o", options, "start")
        try:
            yield f"postgresql+psycopg://penstock@/{{name}}?host={folder}"
        finally:
            run("pg_ctl", "-D", str(data), "-w", "-m", "fast" if keep else "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    """The folder with initdb and pg_ctl in it."""
    found = shutil.which("pg_ctl")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    places += [Path("/opt/homebrew/bin"), Path("/usr/local/bin")]
    for place in itertools.chain(places, _from_the_wheel()):
        if (place / "initdb").exists() and (place / "pg_ctl").exists():
            return place
    raise NoPostgres(NoPostgres.__doc__)


def _in_memory() -> Path | None:
    """Where a database of hundreds of files is made in a tenth of the time; None has no room for it."""
    try:
        roomy = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM
    except OSError:
        return None
    return MEMORY if roomy else None


def _from_the_wheel() -> Iterator[Path]:
    # Found without importing it: that starts things and makes folders.
    spec = importlib.util.find_spec("pgserver")
    if spec and spec.origin:
        yield Path(spec.origin).parent / "pginstall" / "bin"


def _unprivileged() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NoPostgres("PostgreSQL does not run as root, and there is no user `nobody` here.")
