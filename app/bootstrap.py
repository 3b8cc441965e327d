"""The one composition root: from settings to a platform.

Web, workers, command line and tests all get theirs from `build`. Nothing is
connected before it is first used, so a platform may be built before a fork as
long as the child calls `after_fork` first.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import redis

import app.alerts.events  # noqa: F401 (registers its types)
from app.alerts.alerts import Alerts
from app.clock import Clock, SystemClock
from app.cqrs.as_of.aggregates import AggregatesAsOf
from app.cqrs.as_of.projections import ProjectionsAsOf
from app.cqrs.command import COMMANDS
from app.cqrs.commands import Commands
from app.cqrs.declaration import FOLLOWERS
from app.cqrs.following import Following
from app.cqrs.operating import Projections
from app.domain.committed import Committed
from app.domain.datasets import Datasets
from app.domain.models import Models
from app.domain.trainer import TrainApart, Trainer
from app.events.catalogue import Catalogue
from app.events.schema import TYPES, EventTypes
from app.sourcing.past import Past
from app.sourcing.repository import Repository
from app.store import retention
from app.store.archive import Archive
from app.store.audit import Audit
from app.store.blobs import open_blobs
from app.store.blobs.store import BlobStore
from app.store.charted import Charted
from app.store.database import open_databases
from app.store.dead_letters import DeadLetters
from app.store.eventstore.store import EventStore
from app.store.grouped import Grouped
from app.store.once import Once
from app.store.outbox import Outbox
from app.store.projection import Projection
from app.store.replay_work import ReplayWork
from app.store.replays import ReplayStore
from app.store.rollups import Rollups
from app.store.runs import Runs
from app.store.schemas import KeptSchemas, SchemaStore
from app.store.sessions import Sessions
from app.store.subscriptions import SubscriptionStore
from app.store.tokens import Tokens
from app.store.users import Users
from app.streams import control, keys, tail
from app.streams.broker import RedisBroker
from app.streams.changes import Changes
from app.streams.client import Wire, connect
from app.streams.publisher import Preparer, Publisher
from app.streams.topics import Topics
from app.streams.waker import Waker
from app.subscriptions.cases_told import Cases
from app.subscriptions.control import Subscriptions
from app.subscriptions.declaration import HANDLERS, Handlers, Subscription
from app.subscriptions.failures import Failures
from app.subscriptions.health import Health
from app.subscriptions.identity import worker_id
from app.subscriptions.outgoing import Outgoing
from app.subscriptions.relay import Relay
from app.subscriptions.replays import Replays
from app.subscriptions.schedule import Schedules
from app.subscriptions.topics import TopicViews
from app.subscriptions.workers import Workers
from app.webhooks.webhooks import Webhooks
from config.settings import Settings


class Platform:
    """Everything that a process works with; see docs/architecture.md for the functions of each part."""

    def __init__(self, settings: Settings, clock: Clock, handlers: Handlers, types: EventTypes):
        self.settings = settings
        self.clock = clock
        self.handlers = handlers
        self.followers = FOLLOWERS
        self.catalogue = Catalogue(
            types, lambda: self._kept_schemas.newest(), lambda: self._kept_schemas.anew()
        )
        self.database, self.archive_database = open_databases(
            settings.database_url, settings.archive_url
        )

    # -- Redis

    @cached_property
    def redis(self) -> redis.Redis:
        return connect(
            self.settings.require_redis(), max_connections=self.settings.redis_connections
        )

    @cached_property
    def stream_topics(self) -> Topics:
        return Topics(self.redis, self.settings.partitions)

    @cached_property
    def preparer(self) -> Preparer:
        return Preparer(
            self.catalogue, self.stream_topics, self.clock, self.settings.max_event_bytes
        )

    @cached_property
    def publisher(self) -> Publisher:
        return Publisher(self.redis, self.preparer, self.settings.publish_window)

    @cached_property
    def changes(self) -> Changes:
        return Changes(self.redis)

    @cached_property
    def wakes(self) -> Changes:
        """Where the relay is woken."""
        return Changes(self.redis, keys.WAKES)

    @cached_property
    def waker(self) -> Waker:
        return Waker(lambda: self.wakes.announce("outbox"))

    def wake_relay(self) -> None:
        """A hint; the relay looks by itself where it is lost."""
        self.waker.wake()

    def wire(self, timeout: float = 10.0) -> Wire:
        """A connection of one's own, for one thread."""
        return Wire(self.redis, timeout)

    def broker(self) -> RedisBroker:
        return RedisBroker(self.wire())

    def served(self) -> Sequence[Subscription]:
        """What workers serve: what the code declares, and the webhooks."""
        return [*self.handlers.subscriptions.values(), *self.webhooks.subscriptions()]

    def decisions(self) -> tuple[int, dict[str, control.Decision]]:
        """What operators decided, and its version."""
        return control.decisions(self.redis)

    def follow(self, types: list[str] | None = None, since: str = "$") -> Any:
        return tail.follow(self.redis, self.stream_topics, types, since)

    # -- SQL

    @cached_property
    def archive(self) -> Archive:
        return Archive(self.archive_database, self.clock)

    @cached_property
    def projection(self) -> Projection:
        return Projection(self.database, self.archive, self.clock)

    @cached_property
    def runs(self) -> Runs:
        return Runs(self.database, self.archive, self.clock)

    @cached_property
    def dead_letters(self) -> DeadLetters:
        return DeadLetters(self.database, self.clock)

    @cached_property
    def failure_groups(self) -> Grouped:
        return Grouped(self.database, self.clock)

    @cached_property
    def rollups(self) -> Rollups:
        return Rollups(self.database, self.archive, self.clock)

    @cached_property
    def outbox(self) -> Outbox:
        return Outbox(self.wake_relay)

    @cached_property
    def relay(self) -> Relay:
        """This process's relay; workers run one, of which one is active."""
        return Relay(self, worker_id())

    @cached_property
    def outgoing(self) -> Outgoing:
        return Outgoing(self)

    @cached_property
    def charted(self) -> Charted:
        return Charted(self.database, self.archive, self.clock)

    @cached_property
    def following(self) -> Following:
        """This process's projections and reactors; of many processes, one runs them."""
        return Following(self, worker_id())

    @cached_property
    def commands(self) -> Commands:
        return Commands(self, COMMANDS)

    @cached_property
    def projections(self) -> Projections:
        return Projections(self)

    @cached_property
    def projections_as_of(self) -> ProjectionsAsOf:
        return ProjectionsAsOf(self)

    @cached_property
    def replay_store(self) -> ReplayStore:
        return ReplayStore(self.database, self.clock)

    @cached_property
    def replay_work(self) -> ReplayWork:
        return ReplayWork(self.database, self.clock)

    @cached_property
    def subscription_store(self) -> SubscriptionStore:
        return SubscriptionStore(self.database, self.clock)

    @cached_property
    def event_store(self) -> EventStore:
        return EventStore(
            self.database,
            self.clock,
            self.catalogue,
            self.settings.max_event_bytes,
            self.wake_relay,
        )

    @cached_property
    def aggregates(self) -> Repository:
        return Repository(self.event_store, self.database, self.clock)

    @cached_property
    def past(self) -> Past:
        return Past(self.event_store)

    @cached_property
    def aggregates_as_of(self) -> AggregatesAsOf:
        return AggregatesAsOf(self)

    @cached_property
    def schemas(self) -> SchemaStore:
        return SchemaStore(self.database, self.clock)

    @cached_property
    def _kept_schemas(self) -> KeptSchemas:
        return KeptSchemas(self.schemas, self.clock)

    @cached_property
    def users(self) -> Users:
        return Users(self.database, self.clock)

    @cached_property
    def tokens(self) -> Tokens:
        return Tokens(self.database, self.clock)

    @cached_property
    def sessions(self) -> Sessions:
        return Sessions(self.database, self.clock)

    @cached_property
    def once(self) -> Once:
        """Changes that are asked for under an idempotency key."""
        return Once(self.database, self.clock)

    @cached_property
    def audit(self) -> Audit:
        return Audit(self.database, self.clock)

    @cached_property
    def blobs(self) -> BlobStore:
        return open_blobs(self.settings.storage_url, self.database)

    # -- what people do

    @cached_property
    def topics(self) -> TopicViews:
        return TopicViews(self)

    @cached_property
    def subscriptions(self) -> Subscriptions:
        return Subscriptions(self)

    @cached_property
    def cases(self) -> Cases:
        return Cases(self.database, self.audit, self.clock)

    @cached_property
    def webhooks(self) -> Webhooks:
        return Webhooks(self)

    @cached_property
    def failures(self) -> Failures:
        return Failures(self)

    @cached_property
    def replays(self) -> Replays:
        return Replays(self)

    @cached_property
    def schedules(self) -> Schedules:
        return Schedules(self)

    @cached_property
    def alerts(self) -> Alerts:
        return Alerts(self)

    @cached_property
    def workers(self) -> Workers:
        return Workers(self.redis, self.audit)

    @cached_property
    def datasets(self) -> Datasets:
        return Datasets(
            self.database, self.blobs, self.publisher, self.clock, self.audit, self.changes
        )

    @cached_property
    def models(self) -> Models:
        committed = Committed(self.publisher, self.outbox, self.database, self.wake_relay)
        return Models(self.database, self.blobs, committed, self.clock, self.audit, self.changes)

    @cached_property
    def trainer(self) -> Trainer:
        return TrainApart(self.settings.training_seconds, self.settings.training_memory)

    def prune(self, now: float) -> dict[str, int]:
        """Forget what SQL keeps only for a time, which is over at `now`; how much of each."""
        return retention.prune(self.database, self.archive_database, now)

    def health(self) -> dict[str, Any]:
        """Whether each part answers: "ok", or what is wrong with it."""
        return self._health.look()

    @cached_property
    def _health(self) -> Health:
        return Health(self)

    # -- lifetime

    def after_fork(self) -> None:
        """Forget what the parent connected, without closing it."""
        self.database.dispose(close=False)
        self.archive_database.dispose(close=False)
        for name in (
            "redis",
            "stream_topics",
            "preparer",
            "publisher",
            "changes",
            "wakes",
            "relay",
        ):
            self.__dict__.pop(name, None)

    def close(self) -> None:
        """Close every connection of this process."""
        if "waker" in self.__dict__:
            self.waker.finish()
        if "once" in self.__dict__:
            self.once.close()
        if "redis" in self.__dict__:
            self.redis.close()
        self.database.dispose()
        self.archive_database.dispose()


def build(
    settings: Settings,
    *,
    clock: Clock | None = None,
    handlers: Handlers = HANDLERS,
    types: EventTypes = TYPES,
) -> Platform:
    """The platform of these settings."""
    return Platform(settings, clock or SystemClock(), handlers, types)


_default: tuple[int, Platform] | None = None


def default() -> Platform:
    """This process's platform from the environment, built on first use: for `publish` outside of a worker."""
    global _default
    if _default is None or _default[0] != os.getpid():
        _default = (os.getpid(), build(Settings.load()))
    return _default[1]


def use(platform: Platform | None) -> Platform | None:
    """Make this the process's platform: a worker's, or a test's; the one before, if there was one."""
    global _default
    before = _default[1] if _default and _default[0] == os.getpid() else None
    _default = (os.getpid(), platform) if platform else None
    return before
