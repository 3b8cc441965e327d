"""A world to hold a contract in: a platform with handlers of the test's own, and workers on it.

`MemoryWorld` and `RedisWorld` differ in what lies under the handlers, and in
nothing that a test can see. Time passes in both only where a test says so: on
Redis, whose clock nobody can move, what is delayed is brought nearer instead.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import count
from time import time
from typing import Any

from app import bootstrap, producing
from app.events.event import Event
from app.events.schema import EventTypes, event_type, upcast
from app.streams import keys
from app.streams.broker import RECORDS, Broker
from app.streams.delayed import release_due
from app.subscriptions.declaration import LANES, Handlers, on
from app.subscriptions.declare import declare
from app.subscriptions.doorbell import Doorbell
from app.subscriptions.roster import Roster
from app.subscriptions.watch import Watch
from app.testing import (
    DeadLetter,
    Delivery,
    FakeClock,
    InMemoryPlatform,
    MemoryBroker,
    MemoryDoorbell,
)
from app.testing.memory import ScratchDatabase
from app.testing.seen import Seen
from app.testing.streams import BEGIN
from config.settings import Settings
from tests.contract.worker import Worker


class World(ABC):
    """Handlers, what they were given, and what came of it."""

    __test__ = False

    def __init__(self, clock: FakeClock):
        self.clock = clock
        self.handlers = Handlers()
        self.types = EventTypes()
        self.partitions: dict[str, int] = {}
        self.numbers = count(1)

    # -- what a test declares, before anything else

    def on(self, *types: str, **options: Any) -> Callable[[Any], Any]:
        """`@on` in this world only; a subscription without a `name` is called as its function."""

        def register(function: Any) -> Any:
            named = {"name": function.__name__, **options}
            return on(*types, handlers=self.handlers, **named)(function)

        return register

    def event_type(self, name: str, **options: Any) -> Callable[[Any], Any]:
        return event_type(name, types=self.types, **options)

    def upcast(self, name: str, version: int) -> Callable[[Any], Any]:
        return upcast(name, version, types=self.types)

    # -- what lies under it

    watch: type[Watch] = Watch
    platform: bootstrap.Platform

    @abstractmethod
    def declare(self) -> None:
        """Make known what was declared since the platform was built."""

    @abstractmethod
    def broker(self) -> Broker: ...

    @abstractmethod
    def doorbell(self) -> Doorbell: ...

    @abstractmethod
    def entries(self, stream: str) -> list[tuple[bytes, list[bytes]]]:
        """Everything in a stream."""

    @abstractmethod
    def add(self, stream: str, *fields: bytes) -> bytes:
        """Put raw fields into a stream; the id."""

    @abstractmethod
    def pending(self, subscription: str) -> int:
        """How many deliveries are read and not settled."""

    @abstractmethod
    def pass_time(self, seconds: float) -> None:
        """Let time pass, and put back what is due then."""

    # -- an operator's hand

    @abstractmethod
    def project(self) -> None:
        """Have what was settled told where people look."""

    @abstractmethod
    def replay(self, *letters: DeadLetter) -> str: ...

    @abstractmethod
    def replay_is_over(self, id: str) -> bool:
        """Whether nothing of a replay is open."""

    @abstractmethod
    def rewind(self, subscription: str, to: float | None = None) -> None:
        """Back to a time (s since 1970), or to the beginning."""

    @abstractmethod
    def pause(self, subscription: str) -> None: ...

    @abstractmethod
    def resume(self, subscription: str) -> None: ...

    @abstractmethod
    def change(self, subscription: str, **changes: Any) -> None: ...

    # -- what a test does

    def publish(self, type: str, data: Any = None, **options: Any) -> Event:
        self._use()
        return producing.publish(type, data, **options)

    def publish_many(self, events: Iterable[Event]) -> int:
        self._use()
        return producing.publish_many(events)

    def _use(self) -> None:
        bootstrap.use(self.platform)

    def worker(self) -> Worker:
        return Worker(self, f"worker-{next(self.numbers)}")

    @cached_property
    def _everyday(self) -> Worker:
        return self.worker()

    def run(self) -> int:
        """Let one worker deliver, and the relay publish, until nothing is left but what is delayed."""
        handled = self._everyday.run()
        while self.platform.database.begun and self.platform.relay.drain():
            handled += self._everyday.run()
        return handled

    def advance(self, seconds: float) -> int:
        """Let time pass, and deliver what is due then."""
        self.pass_time(seconds)
        return self.run()

    # -- what a test sees

    def events(self, *types: str) -> list[Event]:
        """What is in the topics: of these types, in the order of each partition."""
        found = []
        for topic, partitions in self.platform.stream_topics.all().items():
            for partition in range(partitions if topic != "penstock" else 0):
                for _, fields in self.entries(keys.topic_stream(topic, partition)):
                    found.append(Event.from_bytes(fields[1]))
        return [event for event in found if not types or event.type in types]

    @property
    def seen(self) -> Seen:
        seen = Seen()
        for _, fields in self.entries(RECORDS):
            seen.note(Event.from_bytes(fields[1]).data)
        return seen

    @property
    def deliveries(self) -> list[Delivery]:
        return self.seen.deliveries

    @property
    def letters(self) -> list[DeadLetter]:
        """Whatever was parked, the last time that it was."""
        return list(self.seen.parked.values())

    def states(self, subscription: str | None = None) -> list[str]:
        return [one.state for one in self.deliveries if subscription in (None, one.subscription)]


class MemoryWatch(Watch):
    """For a process that lived to write down all that it was given."""

    def _release_unknown(self, pid: int) -> None:
        """There is nothing unknown."""


class MemoryWorld(World):
    """On streams in memory."""

    def __init__(self) -> None:
        super().__init__(FakeClock())

    @cached_property
    def twin(self) -> InMemoryPlatform:
        return InMemoryPlatform(
            self.handlers, clock=self.clock, types=self.types, partitions=self.partitions
        )

    @property
    def platform(self) -> bootstrap.Platform:  # type: ignore[override]
        return self.twin.platform

    watch = MemoryWatch

    def declare(self) -> None:
        self.twin.platform.declare()

    def broker(self) -> Broker:
        return MemoryBroker(self.twin.streams)

    def doorbell(self) -> Doorbell:
        return MemoryDoorbell(self.twin.streams)

    def entries(self, stream: str) -> list[tuple[bytes, list[bytes]]]:
        return self.twin.streams.after(stream, BEGIN)

    def add(self, stream: str, *fields: bytes) -> bytes:
        return self.twin.streams.add(stream, fields)

    def pending(self, subscription: str) -> int:
        return sum(
            len(stream.groups[subscription].pending)
            for stream in self.twin.streams.streams.values()
            if subscription in stream.groups
        )

    def pass_time(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        self.twin.streams.release_due()

    def project(self) -> None:
        """In memory it is read from where it is."""

    def replay(self, *letters: DeadLetter) -> str:
        return self.twin.replay(*letters)

    def replay_is_over(self, id: str) -> bool:
        told = [one.state for one in self.deliveries if one.replay == id]
        return bool(told) and told[-1] != "retrying"

    def rewind(self, subscription: str, to: float | None = None) -> None:
        self.twin.rewind(subscription, to)

    def pause(self, subscription: str) -> None:
        self.twin.pause(subscription)

    def resume(self, subscription: str) -> None:
        self.twin.resume(subscription)

    def change(self, subscription: str, **changes: Any) -> None:
        self.twin._decide(subscription, **changes)


class RedisWorld(World):
    """On a Redis server, through the platform that workers and the web process have."""

    def __init__(self, settings: Settings):
        # The same time as the server's: that decides what is due.
        super().__init__(FakeClock(time()))
        self.settings = settings
        self._projected = 0

    @cached_property
    def platform(self) -> bootstrap.Platform:  # type: ignore[override]
        settings = self.settings.model_copy(update={"partitions": self.partitions})
        platform = bootstrap.build(
            settings, clock=self.clock, handlers=self.handlers, types=self.types
        )
        platform.database = platform.archive_database = ScratchDatabase()
        declare(platform)
        return platform

    def declare(self) -> None:
        declare(self.platform)

    def broker(self) -> Broker:
        return self.platform.broker()

    def doorbell(self) -> Doorbell:
        return Doorbell(self.platform.wire())

    def entries(self, stream: str) -> list[tuple[bytes, list[bytes]]]:
        found = self.platform.redis.execute_command("XRANGE", stream, "-", "+")
        return [(id, [part for pair in fields.items() for part in pair]) for id, fields in found]

    def add(self, stream: str, *fields: bytes) -> bytes:
        return self.platform.redis.execute_command("XADD", stream, "*", *fields)

    def pending(self, subscription: str) -> int:
        roster = Roster(self.platform, LANES)
        roster.refresh()
        return sum(
            self.platform.redis.xpending(stream, subscription)["pending"]
            for stream in roster.all_streams(subscription)
            if self.platform.redis.exists(stream)
        )

    def pass_time(self, seconds: float) -> None:
        redis = self.platform.redis
        self.clock.sleep(seconds)
        for member in redis.zrange(keys.DELAYED, 0, -1):
            redis.zincrby(keys.DELAYED, -seconds * 1000, member)
        release_due(self.platform.wire())

    def replay(self, *letters: DeadLetter) -> str:
        self.project()
        platform = self.platform
        id = platform.replays.start({"dead_letters": [one.id for one in letters]}, {}, "test")
        platform.replays.advance()
        return id

    def replay_is_over(self, id: str) -> bool:
        self.project()
        return self.platform.replays.get(id)["state"] in ("succeeded", "failed", "cancelled")

    def project(self) -> None:
        """What the projector does with the records."""
        records = self.entries(RECORDS)
        new = [Event.from_bytes(fields[1]) for _, fields in records[self._projected :]]
        self._projected = len(records)
        self.platform.projection.apply_records(new)

    def rewind(self, subscription: str, to: float | None = None) -> None:
        place = "earliest" if to is None else f"{to:.3f}"
        self.platform.subscriptions.rewind(subscription, place, "test")

    def pause(self, subscription: str) -> None:
        self.platform.subscriptions.pause(subscription, "test")

    def resume(self, subscription: str) -> None:
        self.platform.subscriptions.resume(subscription, "test")

    def change(self, subscription: str, **changes: Any) -> None:
        self.platform.subscriptions.update(subscription, changes, "test")
