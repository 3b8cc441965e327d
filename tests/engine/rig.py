"""A server, a database and real Celery workers as processes, to be broken on purpose.

`Rig` starts them and ends all of them; `until` awaits a condition with a
generous deadline and tells what was the case when it passed.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import redis

from app import bootstrap
from app.embedded.server import EmbeddedServer
from app.events.event import Event
from app.events.schema import EventTypes
from app.store.database import Database
from app.store.migrate import upgrade_all
from app.streams import keys
from app.subscriptions.declaration import Handlers
from config.settings import Settings
from tests.engine.trace import Trace

ALONE = ("--without-mingle", "--without-gossip", "--without-heartbeat")
"""Celery's greetings between workers: a second for each start."""
ROOT = Path(__file__).parents[2]
KINDS = ("plain", "batch", "effect", "hung", "ordered", "committed")
Found = TypeVar("Found")


def until(
    look: Callable[[], Found],
    *,
    seconds: float = 30.0,
    what: str | Callable[[], str] = "",
    every: float = 0.05,
) -> Found:
    """The first true answer of `look`; an AssertionError with the last answer after `seconds`."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            told = what() if callable(what) else what
            raise AssertionError(f"not within {seconds:g} s: {told} (last: {found!r})")
        time.sleep(every)


class WorkerProcess:
    """One `celery -A workers worker`, in a session of its own."""

    def __init__(self, rig: Rig, arguments: list[str], environment: dict[str, str], log: Path):
        self.rig = rig
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "workers", "worker", *arguments],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def children(self) -> list[int]:
        """The pool's processes."""
        return [
            int(child)
            for thread in Path(f"/proc/{self.pid}/task").iterdir()
            for child in (thread / "children").read_text().split()
        ]

    def ready(self) -> WorkerProcess:
        """Wait for its first beat."""

        def beats() -> bool:
            assert self.process.poll() is None, f"the worker ended:\n{self.log.read_text()}"
            return any(worker["pid"] == self.pid for worker in self.rig.platform.workers.list())

        until(
            beats,
            seconds=60,
            what=lambda: f"a worker's first beat:\n{self.log.read_text()[-4000:]}",
        )
        return self

    def kill(self) -> None:
        """kill -9, as a machine that lacks memory does it."""
        self.process.kill()
        self.process.wait()

    def kill_group(self) -> None:
        """kill -9 of the worker and its children at once."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def signal_all(self, number: int) -> None:
        os.killpg(self.pid, number)

    def freeze(self) -> None:
        """SIGSTOP to all of it, at a moment when none holds the lock of a SQLite file.

        Who stands still with that lock keeps every other worker from its database; that is
        SQLite's way, and not what a zombie does to streams.
        """

        def stands_still() -> bool:
            self.signal_all(signal.SIGSTOP)
            time.sleep(0.2)  # a signal takes effect a moment after it was sent
            if all(map(_writable, self.rig.data.glob("*.db"))):
                return True
            self.signal_all(signal.SIGCONT)
            return False

        until(stands_still, what="a moment without a lock")

    def stop(self, *, group: bool = False) -> None:
        """SIGTERM, to the worker or to its whole group; returns at once."""
        if group:
            os.killpg(self.pid, signal.SIGTERM)
        else:
            self.process.terminate()

    def status(self, seconds: float) -> int:
        """Its exit status, awaited."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"the worker did not end in {seconds:g} s:\n{self.log.read_text()[-4000:]}"
            ) from None


class Rig:
    """A whole installation in a folder."""

    def __init__(self, folder: Path, template: Path, *, fsync: str | None = None):
        self.folder = folder
        self.data = folder / "data"
        shutil.copytree(template, self.data)
        self.server = EmbeddedServer(folder / "server", fsync=fsync)
        self.server.start()
        self.server.wait_ready()
        self.settings = Settings(data_dir=self.data, redis_url=self.server.url)
        self.platform = bootstrap.build(self.settings, handlers=Handlers(), types=EventTypes())
        self.trace = Trace(folder / "trace")
        self.workers: list[WorkerProcess] = []
        self._read: dict[str, list[tuple[bytes, Event]]] = {}

    @property
    def redis(self) -> redis.Redis:
        return self.platform.redis

    # -- starting and ending

    def start(
        self,
        *,
        pool: str = "prefork",
        slots: int = 2,
        lanes: str = "default",
        arguments: Iterable[str] = (),
        **environment: str,
    ) -> WorkerProcess:
        """Start a worker; `ready` awaits it."""
        number = len(self.workers)
        given = {name: value for name, value in os.environ.items() if not name.startswith("PENST")}
        given |= {
            "REDIS_URL": self.server.url,
            "PENSTOCK_DATA_DIR": str(self.data),
            "PENSTOCK_SECRET_KEY": "0123456789abcdef" * 4,
            "PENSTOCK_HANDLERS": "tests.engine.handlers",
            "PENSTOCK_LOG_FORMAT": "text",
            "ENGINE_TEST_FOLDER": str(self.folder),
            **environment,
        }
        worker = WorkerProcess(
            self,
            ["-n", f"w{number}@%h", "-P", pool, "-c", str(slots), "-Q", lanes, *ALONE, *arguments],
            given,
            self.folder / f"worker-{number}.log",
        )
        self.workers.append(worker)
        return worker

    def pair(self) -> list[WorkerProcess]:
        """Two workers that are ready, one of processes and one of threads."""
        workers = [self.start(pool="prefork", slots=3), self.start(pool="threads", slots=3)]
        return [worker.ready() for worker in workers]

    def forget(self) -> None:
        """An empty slate on a running installation, for the next test: no events, no traces, no decisions."""
        for kind in KINDS:
            until(partial(self.settled, kind), what=lambda: f"nothing is open\n{self.logs()}")
            self.redis.xtrim(keys.topic_stream(kind, 0), maxlen=0)
        self.redis.xtrim(keys.topic_stream("penstock", 0), maxlen=0)
        for key in self.redis.scan_iter(f"{keys.SEEN}*"):
            self.redis.delete(key)
        for subscription in self.platform.subscriptions.list():
            if changed := dict.fromkeys(subscription["changed"]):
                self.platform.subscriptions.update(subscription["name"], changed, "test")
        with sqlite3.connect(self.data / "penstock.db", timeout=30) as database:
            database.execute("DELETE FROM engine_test_effects")
        for file in self.folder.glob("*"):
            if file.is_file() and file.suffix != ".log":
                file.unlink()
        self.trace.forget()

    def close(self) -> None:
        """End every process that this rig started."""
        for worker in self.workers:
            worker.kill_group()
        self.platform.close()
        self.server.process.send_signal(signal.SIGCONT)
        self.server.process.kill()
        self.server.process.wait()

    def logs(self) -> str:
        return "\n".join(
            f"--- {worker.log.name}\n{worker.log.read_text()[-3000:]}" for worker in self.workers
        )

    # -- events in, events out

    def publish(self, kind: str, numbers: Iterable[int], **data: Any) -> None:
        """Publish `kind.asked` for each number; `data` may hold functions of the number."""
        self.platform.publisher.publish([self.event(kind, n, **data) for n in numbers])

    @staticmethod
    def event(kind: str, n: int, **data: Any) -> Event:
        told = {name: value(n) if callable(value) else value for name, value in data.items()}
        key, subject = told.pop("key", None), told.pop("subject", None)
        return Event(
            type=f"{kind}.asked",
            id=f"{kind}-{n}",
            partitionkey=key,
            subject=subject,
            data={"n": n, **told},
        )

    def outputs(self, kind: str) -> Counter[int]:
        """How often each number came out: `kind.done` in its topic, which `kind.asked` shares."""
        return Counter(event.data["n"] for event in self.events(kind, "done"))

    def events(self, kind: str, what: str) -> list[Event]:
        return [event for event in self._topic(kind) if event.type == f"{kind}.{what}"]

    def _topic(self, name: str) -> list[Event]:
        """Everything in a topic. What was read before is kept, since tests ask often: while its first
        and its last entry are there, only what came since is read.
        """
        stream, known = keys.topic_stream(name, 0), self._read.setdefault(name, [])
        if known:
            first, last = known[0][0], known[-1][0]
            kept = self.redis.xrange(stream, first, first)
            found = self.redis.xrange(stream, last) if kept else []
            if not found or found.pop(0)[0] != last:
                known.clear()
        if not known:
            found = self.redis.xrange(stream)
        known += [(id, Event.from_bytes(fields[b"e"])) for id, fields in found]
        return [event for _, event in known]

    def effects(self) -> Counter[int]:
        """How often each number was written to the database."""
        with sqlite3.connect(self.data / "penstock.db", timeout=30) as database:
            return Counter(n for (n,) in database.execute("SELECT n FROM engine_test_effects"))

    def projected(self) -> Counter[str]:
        """How often each event of the event store was projected."""
        with sqlite3.connect(self.data / "penstock.db", timeout=30) as database:
            try:
                return Counter(dict(database.execute("SELECT id, times FROM engine_test_asked")))
            except sqlite3.OperationalError:
                return Counter()  # nobody followed yet

    def await_outputs(
        self, kind: str, numbers: Iterable[int], *, seconds: float = 60.0
    ) -> Counter[int]:
        """Wait until each number came out and nothing is open; each came once."""
        wanted = set(numbers)

        def missing() -> str:
            left = wanted - set(self.outputs(kind))
            return f"{len(left)} of {len(wanted)} are missing: {sorted(left)[:10]}" if left else ""

        try:
            until(lambda: not missing(), seconds=seconds)
        except AssertionError:
            raise AssertionError(f"{missing()}\n{self.open(kind)}\n{self.logs()}") from None
        until(lambda: self.settled(kind), what=f"nothing of {kind} is open: {self.open(kind)}")
        found = self.outputs(kind)
        assert set(found) == wanted
        doubled = {n: times for n, times in found.items() if times > 1}
        assert not doubled, f"emitted more than once: {doubled}"
        return found

    def open(self, kind: str) -> list[Any]:
        """What is pending, by (stream, group, consumer)."""
        group = f"tests.engine.handlers.{kind}"
        found = []
        for stream in (keys.again_stream(group), keys.topic_stream(kind, 0)):
            try:
                pending = self.redis.xpending_range(stream, group, "-", "+", 1000)
            except redis.ResponseError:
                continue
            found += [(stream, row["consumer"], row["message_id"]) for row in pending]
        return found

    def settled(self, kind: str) -> bool:
        """Nothing is pending, nothing came back unread, nothing is delayed."""
        group = f"tests.engine.handlers.{kind}"
        return (
            not self.open(kind)
            and not self.redis.xlen(keys.again_stream(group))
            and not self.redis.zcard(keys.DELAYED)
        )

    def parked(self) -> list[dict[str, Any]]:
        """The letters in the records of what was settled."""
        found = []
        for record in self._topic("penstock"):
            found += [one for one in record.data["deliveries"] if one["state"] == "parked"]
        return found

    def let_go(self, name: str) -> None:
        """Open a gate that handlers wait at."""
        (self.folder / name).touch()


def make_template(folder: Path) -> None:
    """A migrated database with the table that the handlers write to."""
    settings = Settings(data_dir=folder)
    main, archive = Database(settings.database_url), Database(settings.archive_url)
    upgrade_all(main, archive)
    with main.session() as session:
        session.connection().exec_driver_sql("CREATE TABLE engine_test_effects (n INTEGER)")
    main.dispose()
    archive.dispose()


def _writable(file: Path) -> bool:
    """Whether nobody holds the lock of this SQLite file."""
    database = sqlite3.connect(file, timeout=0, isolation_level=None)
    try:
        database.execute("BEGIN IMMEDIATE")
        database.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return False
    finally:
        database.close()
    return True
