"""A server, a database and workers of a benchmark's own, in a temporary folder."""

from __future__ import annotations

import os
import platform as python
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import redis

from app import bootstrap
from app.bootstrap import Platform
from app.embedded.server import EmbeddedServer
from app.store.migrate import upgrade_all
from config.settings import Settings

SECRET = "benchmark" * 8
BARE = """
import json
from celery import Celery

app = Celery("bare", broker={broker!r})

@app.task(name="bare.handle", ignore_result=True)
def handle(event):
    json.loads(event)

if __name__ == "__main__":
    for number in range({tasks}):
        handle.delay('{{"n": 1}}')
"""
"""A Celery application with one task: written to a file, since nothing in `app` imports Celery."""


class Machine:
    """Everything that one benchmark starts."""

    def __init__(self, folder: Path, fsync: str | None, database_url: str | None = None):
        self.folder = folder
        self.fsync = fsync
        self.server = EmbeddedServer(folder / "redis", fsync=fsync)
        self.server.start()
        self.server.wait_ready()
        self.client = redis.Redis.from_url(self.server.url)
        self.workers: list[subprocess.Popen[bytes]] = []
        self.environment = {
            **os.environ,
            "REDIS_URL": self.server.url,
            "PENSTOCK_SECRET_KEY": SECRET,
            "PENSTOCK_DATA_DIR": str(folder),
            "PENSTOCK_HANDLERS": "app.bench.handlers",
            "PENSTOCK_LOG_LEVEL": "warning",
        }
        self.environment.pop("DATABASE_URL", None)
        if database_url:
            self.environment["DATABASE_URL"] = database_url
        self.settings = Settings.load(self.environment)
        self.platform: Platform = bootstrap.build(self.settings)
        upgrade_all(self.platform.database, self.platform.archive_database)

    def start_worker(
        self,
        lanes: str,
        children: int = 2,
        pool: str = "prefork",
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a worker and wait until it beats."""
        (worker,) = self.start_workers((lanes,), children, pool, environment)
        return worker

    def start_workers(
        self,
        lanes: Sequence[str],
        children: int = 2,
        pool: str = "prefork",
        environment: Mapping[str, str] | None = None,
    ) -> list[subprocess.Popen[bytes]]:
        """Start a worker for each of these at once, and wait until all beat."""
        options = ("-c", str(children), "--pool", pool)
        started = [
            self._start_celery(["-A", "workers", "worker", "-Q", one, *options], environment)
            for one in lanes
        ]
        pids = {worker.pid for worker in started}
        self.wait_for(
            lambda: pids <= {one["pid"] for one in self.platform.workers.list()},
            60 * len(pids),
            "a worker to start",
            every=0.05,
        )
        return started

    def start_bare_worker(self, children: int, tasks: int) -> subprocess.Popen[bytes]:
        """Start a worker of a Celery application that has nothing of ours, and have it handle some tasks."""
        file = self.folder / "bare.py"
        file.write_text(BARE.format(broker=self.settings.broker_url, tasks=tasks))
        worker = self._start_celery(
            ["--workdir", str(self.folder), "-A", "bare", "worker", "-c", str(children)]
        )
        subprocess.run([sys.executable, str(file)], check=True, timeout=120)
        self.wait_for(lambda: not self.client.llen("celery"), 120, "bare Celery to be done")
        return worker

    def _start_celery(
        self, arguments: list[str], environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "celery", "-q", *arguments]
        command += ["-n", f"bench{len(self.workers)}@%h"]
        log = (self.folder / f"worker{len(self.workers)}.log").open("wb")
        worker = subprocess.Popen(
            [*command, "--without-gossip", "--without-mingle", "--without-heartbeat"],
            env={**self.environment, **(environment or {})},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        self.workers.append(worker)
        return worker

    def stop_worker(self, worker: subprocess.Popen[bytes]) -> None:
        worker.send_signal(signal.SIGTERM)
        try:
            worker.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(worker.pid, signal.SIGKILL)
        self.workers.remove(worker)

    @property
    def server_pid(self) -> int:
        return int(self.client.info("server")["process_id"])

    def calm(self) -> None:
        """Wait for what the server has yet to do about the past: its file is rewritten, and on the disk.

        It rewrites the file by itself as it grows, in the middle of whatever is measured then:
        here it does so before, for Penstock as for the reference.
        """
        if not self.fsync:
            return

        def is_calm() -> bool:
            info = self.client.info("persistence")
            ongoing = ("aof_rewrite_in_progress", "aof_rewrite_scheduled")
            return not any(info[name] for name in ongoing)

        self.client.config_set("auto-aof-rewrite-percentage", 0)
        self.wait_for(is_calm, 120, "the server to rewrite its file")
        self.client.bgrewriteaof()
        self.wait_for(is_calm, 120, "the server to rewrite its file")
        os.sync()

    @staticmethod
    def wait_for(condition: Any, seconds: float, what: str, every: float = 0.01) -> None:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"waited {seconds:g} s in vain for {what}")
            time.sleep(every)

    def close(self) -> None:
        for worker in list(self.workers):
            os.killpg(worker.pid, signal.SIGKILL)
        self.platform.close()
        self.client.close()
        self.server.stop()

    def describe(self) -> dict[str, Any]:
        """What the figures were measured on."""
        info = self.client.info("server")
        return {
            "server": f"{info.get('server_name', 'redis')} {info.get('valkey_version', info['redis_version'])}",
            "fsync": self.fsync or "no append-only file",
            "python": python.python_version(),
            "cores": os.cpu_count(),
        }


@contextmanager
def machine(fsync: str | None, database_url: str | None = None) -> Iterator[Machine]:
    """A machine for the length of a block; on SQLite unless another database is named."""
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        made = Machine(Path(folder), fsync, database_url)
        try:
            yield made
        finally:
            made.close()


def own_cpu(pid: int) -> float:
    """CPU time that a process has used."""
    return sum(psutil.Process(pid).cpu_times()[:2])


def cpu_seconds(pid: int) -> float:
    """CPU time that a process and its living descendants have used."""
    family = (pid, *(child.pid for child in psutil.Process(pid).children(recursive=True)))
    return sum(map(own_cpu, family))


def private_memory(pid: int) -> float:
    """Megabytes that the largest child of a process shares with nobody."""
    return max(child.memory_full_info().uss for child in psutil.Process(pid).children()) / 1e6
