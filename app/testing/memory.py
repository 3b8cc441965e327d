"""The platform as handlers see it (`ctx.platform`), without a server.

What Redis holds is in memory. SQL is a SQLite in a folder of its own, made at
its first use and gone with the platform; tables that a test's handlers define
with SQLModel are made with it. Whatever only a server can do says so.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from weakref import finalize

from sqlalchemy import Engine
from sqlmodel import SQLModel

from app.bootstrap import Platform
from app.clock import Clock
from app.cqrs.command import COMMANDS
from app.domain.trainer import Trainer, train_here
from app.errors import NotFound, Refused
from app.events.catalogue import Catalogue
from app.events.schema import EventTypes, Tracking
from app.events.topics import check_topic
from app.store import migrate
from app.store.database import Database
from app.streams.control import Decision
from app.streams.topics import Topics
from app.subscriptions.declaration import Handlers, Subscription
from app.subscriptions.schedule import Schedule, Schedules
from app.subscriptions.streams import subscription_streams
from app.testing.blobs import MemoryBlobs
from app.testing.broker import MemoryBroker
from app.testing.commands import MemoryCommands
from app.testing.publisher import MemoryPublisher
from app.testing.streams import MemoryStreams
from config.settings import Settings


class MemoryPlatform(Platform):
    """The real platform, on streams in memory."""

    def __init__(
        self,
        clock: Clock,
        handlers: Handlers,
        types: EventTypes,
        partitions: Mapping[str, int] | None = None,
    ):
        folder = Path(tempfile.gettempdir()) / f"penstock-test-{id(self):x}"
        settings = Settings.model_validate({"data_dir": folder, "partitions": partitions or {}})
        super().__init__(settings, clock, handlers, types)
        self.streams = MemoryStreams(clock)
        self.catalogue = TestCatalogue(types)
        self.database: ScratchDatabase = ScratchDatabase()
        self.archive_database = self.database

    @property
    def redis(self) -> Any:
        raise Refused(
            "The platform in memory has no Redis: test what needs one with the `redis_url` of a"
            " real server, or use what app.testing offers instead."
        )

    @property
    def workers(self) -> Any:
        return NoWorkers()

    @cached_property
    def stream_topics(self) -> Topics:
        return MemoryTopics(self.streams, self.settings.partitions)

    @cached_property
    def publisher(self) -> MemoryPublisher:
        return MemoryPublisher(self.streams, self.preparer, self.settings.publish_window)

    @cached_property
    def changes(self) -> Any:
        return NoListeners()

    def wake_relay(self) -> None:
        """`run` looks at the outbox by itself."""

    @property
    def wakes(self) -> Any:
        return self.changes

    @cached_property
    def schedules(self) -> Schedules:
        return MemorySchedules(self)

    @cached_property
    def commands(self) -> MemoryCommands:
        return MemoryCommands(self, COMMANDS)

    @cached_property
    def blobs(self) -> MemoryBlobs:
        return MemoryBlobs()

    @cached_property
    def trainer(self) -> Trainer:
        return train_here

    def broker(self) -> Any:
        return MemoryBroker(self.streams)

    def served(self) -> list[Subscription]:
        return list(self.handlers.subscriptions.values())

    def decisions(self) -> tuple[int, dict[str, Decision]]:
        return self.streams.version, dict(self.streams.decisions)

    def declare(self) -> None:
        """Make the topics and groups of what the handlers consume."""
        for one in self.handlers.subscriptions.values():
            if not one.everything:
                for topic in self.catalogue.topics_of(one.types):
                    self.stream_topics.partitions(topic)
        self.schedules.declare()
        for one in self.handlers.subscriptions.values():
            for streams in subscription_streams(one, self.catalogue, self.streams.topics):
                for stream in streams:
                    self.streams.create_group(stream, one.name, at_end=one.start == "now")

    def after_fork(self) -> None:
        raise Refused("The platform in memory belongs to one process.")

    def close(self) -> None:
        self.database.dispose()


class NoWorkers:
    """Nobody runs beside a test."""

    def list(self) -> list[dict[str, Any]]:
        return []

    def code(self) -> Sequence[Any]:
        return []


class TestCatalogue(Catalogue):
    """Types by class alone, all of whose deliveries are told."""

    __test__ = False

    def tracking_of(self, event_type: str) -> Tracking:
        return "run"


class MemoryTopics(Topics):
    """Topics of streams in memory."""

    def __init__(self, streams: MemoryStreams, configured: Mapping[str, int]):
        self.memory = streams
        self.configured = dict(configured)
        self._known = streams.topics
        self._looked = math.inf  # nothing forgets them

    def all(self) -> dict[str, int]:
        return dict(self.memory.topics)

    def _make(self, topic: str, least: int = 1) -> int:
        wanted = max(least, self.configured.get(topic, 1))
        return self.memory.make_topic(check_topic(topic), wanted)


class MemorySchedules(Schedules):
    """What `@every` declared, in memory."""

    def __init__(self, platform: MemoryPlatform):
        super().__init__(platform)
        self._kept: dict[str, Schedule] = {}

    def all(self) -> list[Schedule]:
        return list(self._kept.values())

    def _get(self, name: str) -> Schedule:
        if name not in self._kept:
            raise NotFound(f"There is no schedule {name!r}.")
        return self._kept[name]

    def _keep(self, schedule: Schedule) -> None:
        self._kept[schedule.name] = schedule

    def _cancelled_by(self, name: str) -> None:
        """It is in no log."""


class NoListeners:
    """Announcements that nobody hears: there is no console in a test."""

    def announce(self, *what: str) -> None:
        """Nobody listens."""

    def listen(self, heartbeat: float = 1.0) -> Iterator[list[str]]:
        raise Refused("The platform in memory announces no changes: look at it directly.")


class ScratchDatabase(Database):
    """A SQLite of its own, migrated and with every table that is defined, from its first use on."""

    def __init__(self) -> None:
        super().__init__("sqlite://", synchronous="NORMAL")
        self._folder: Path | None = None

    @property
    def begun(self) -> bool:
        """Whether anything has used it."""
        return self._folder is not None

    @property
    def engine(self) -> Engine:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="penstock-test-"))
            finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            file = self._folder / "penstock.db"
            file.write_bytes(_migrated())
            self.url = self.url.set(database=str(file))
            self._connections = 10
            SQLModel.metadata.create_all(super().engine)
        return super().engine


@cache
def _migrated() -> bytes:
    """An empty database with all our tables: migrating is slow, copying is not."""
    with tempfile.TemporaryDirectory(prefix="penstock-test-") as folder:
        file = Path(folder) / "penstock.db"
        database = Database(f"sqlite:///{file}")
        migrate.upgrade_all(database, database)
        database.dispose()
        return file.read_bytes()
