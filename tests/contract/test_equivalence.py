"""Whatever is done to the two brokers, in whatever order: both answer the same.

Random stories of reads, settles, releases and seats are told to a server and to
memory. Ids differ, so both sides call an entry by the number that its event
was published with, and by how often it has come back.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.streams import keys
from app.streams.entry import Entry
from config.settings import Settings
from tests.contract.world import MemoryWorld, RedisWorld, World

PARTITION = st.sampled_from([0, 0, 0, 1])
CONSUMER = st.sampled_from(["a", "b"])
STREAM = st.sampled_from(["topic", "again"])
COUNTS = st.sampled_from(["l", "w", ""])
STEP = st.one_of(
    st.tuples(st.just("publish"), PARTITION, st.integers(1, 4)),
    st.tuples(st.just("read"), CONSUMER, PARTITION, st.integers(1, 5)),
    st.tuples(st.just("settle"), CONSUMER, PARTITION, STREAM, st.integers(1, 4)),
    st.tuples(st.just("settle all"), CONSUMER, PARTITION, STREAM, st.integers(1, 4)),
    st.tuples(st.just("fail"), CONSUMER, PARTITION, STREAM, st.sampled_from(["add", "delay"])),
    st.tuples(st.just("hold"), CONSUMER, PARTITION, STREAM),
    st.tuples(st.just("next"), CONSUMER, PARTITION, STREAM),
    st.tuples(st.just("release"), CONSUMER, PARTITION, STREAM, st.booleans(), COUNTS),
    st.tuples(st.just("release some"), CONSUMER, PARTITION, STREAM),
    st.tuples(st.just("read"), CONSUMER, PARTITION, st.integers(1, 2)),
    st.tuples(st.just("own"), CONSUMER, PARTITION),
    st.tuples(st.just("work alone"), PARTITION, st.integers(1, 3)),
    st.tuples(st.just("disown"), CONSUMER, PARTITION),
    st.tuples(st.just("disown all"), CONSUMER),
    st.tuples(st.just("time passes"), st.integers(1, 20)),
)  # fmt: skip


BEGINNING = [("publish", 0, 12), ("read", "a", 0, 3), ("read", "b", 0, 3)]


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(story=st.lists(STEP, min_size=20, max_size=60))
def test_memory_and_redis_tell_the_same_story(story: list[tuple[Any, ...]], server: RedisWorld):
    server.platform.redis.flushall()
    told = [Teller(world).tell(BEGINNING + story) for world in (MemoryWorld(), server)]

    assert told[0] == told[1]


@pytest.fixture(scope="module")
def server(valkey: Any, tmp_path_factory: pytest.TempPathFactory) -> RedisWorld:
    folder: Path = tmp_path_factory.mktemp("equivalence")
    return RedisWorld(Settings(data_dir=folder, redis_url=valkey.url))


class Teller:
    """Tells a story to one broker and writes down its answers."""

    def __init__(self, world: World):
        self.world = world
        self.broker = world.broker()
        self.published = 0
        self.held: dict[tuple[str, str], list[Entry]] = {}
        self.answers: list[Any] = []

    def tell(self, story: list[tuple[Any, ...]]) -> list[Any]:
        for name, *arguments in story:
            getattr(self, f"_{name.replace(' ', '_')}")(*arguments)
        self.answers.append([self._contents(partition) for partition in (0, 1)])
        return self.answers

    # -- steps

    def _publish(self, partition: int, count: int) -> None:
        for _ in range(count):
            self.published += 1
            self.world.add(_stream("topic", partition), b"e", b"%d" % self.published)

    def _read(self, consumer: str, partition: int, count: int) -> None:
        streams = [_stream("again", partition), _stream("topic", partition)]
        entries = self.broker.read("check", consumer, streams, count).entries
        for entry in entries:
            self.held.setdefault((consumer, entry.stream), []).append(entry)
        self.answers.append(("read", [_told(entry) for entry in entries]))

    def _settle(self, consumer: str, partition: int, where: str, count: int) -> None:
        entries = self._oldest(consumer, partition, where, count)
        self._settle_entries(consumer, _stream(where, partition), entries)

    def _settle_all(self, consumer: str, partition: int, where: str, count: int) -> None:
        """Somebody else's too, as a zombie would."""
        stream = _stream(where, partition)
        known = sorted(
            (entry for (_, name), kept in self.held.items() if name == stream for entry in kept),
            key=lambda entry: tuple(map(int, entry.id.split(b"-"))),
        )[:count]
        if known:
            steps = [["add", keys.topic_stream("out", 0), "e", "zombie"]]
            ids = [entry.id for entry in known]
            foreign = self.broker.settle("check", consumer, stream, ids, steps, b"")
            self.answers.append(("foreign", [_told(one) for one in known if one.id in foreign]))

    def _fail(self, consumer: str, partition: int, where: str, how: str) -> None:
        again = _stream("again", partition)
        for entry in self._oldest(consumer, partition, where, 1):
            attempts = [*entry.attempts, {"at": 1, "error": "E", "traceback": ""}]
            fields = entry.fields(generation=entry.generation or 0, attempts=attempts)
            begin: list[Any] = ["add"] if how == "add" else ["delay", 10_000, entry.raw.decode()]
            self._settle_entries(consumer, entry.stream, [entry], [[*begin, again, *fields]])

    def _hold(self, consumer: str, partition: int, where: str) -> None:
        blocked, held = keys.blocked("check", partition), keys.held("check", partition, "key")
        for entry in self._oldest(consumer, partition, where, 1):
            steps = [
                ["hold", held, *entry.fields(generation=0, head=True)],
                ["block", blocked, "key"],
            ]
            self._settle_entries(consumer, entry.stream, [entry], steps)

    def _next(self, consumer: str, partition: int, where: str) -> None:
        blocked, held = keys.blocked("check", partition), keys.held("check", partition, "key")
        for entry in self._oldest(consumer, partition, where, 1):
            steps = [["next", blocked, "key", held, _stream("again", partition)]]
            self._settle_entries(consumer, entry.stream, [entry], steps)

    def _release(
        self, consumer: str, partition: int, where: str, suspect: bool, counts: str
    ) -> None:
        stream = _stream(where, partition)
        in_hand = b""
        for entry in self._oldest(consumer, partition, where, 1) if counts else []:
            in_hand = entry.id
        released = self.broker.release(
            "check", consumer, stream, 3, suspect=suspect, in_hand=in_hand, counts=counts or "l"
        )
        self.answers.append(("released", released.moved, released.missing))

    def _release_some(self, consumer: str, partition: int, where: str) -> None:
        some = self._oldest(consumer, partition, where, 3)
        if some:
            only = (some[0].id, some[-1].id)
            stream = _stream(where, partition)
            released = self.broker.release("check", consumer, stream, 3, only=only)
            self.answers.append(("released", released.moved, released.missing))

    def _own(self, consumer: str, partition: int) -> None:
        streams = [_stream("again", partition), _stream("topic", partition)]
        self.answers.append(("owns", self.broker.own("check", consumer, partition, streams)))

    def _work_alone(self, partition: int, count: int) -> None:
        """What the lease of an ordered partition does that is closed in the middle of its work."""
        for consumer in ("a", "b", "c"):
            self._release(consumer, partition, "again", False, "")
            self._release(consumer, partition, "topic", False, "")
        self._own("c", partition)
        self._read("c", partition, count)
        self._release("c", partition, "again", False, "")
        self._release("c", partition, "topic", False, "")
        self._disown("c", partition)

    def _disown(self, consumer: str, partition: int) -> None:
        self.broker.disown("check", consumer, partition)

    def _disown_all(self, consumer: str) -> None:
        self.broker.disown_all(consumer)

    def _time_passes(self, seconds: int) -> None:
        self.world.pass_time(seconds)

    # -- what is known

    def _oldest(self, consumer: str, partition: int, where: str, count: int) -> list[Entry]:
        return self.held.get((consumer, _stream(where, partition)), [])[:count]

    def _settle_entries(
        self, consumer: str, stream: str, entries: list[Entry], steps: list[Any] | None = None
    ) -> None:
        if not entries:
            return
        if steps is None:
            steps = [["add", keys.topic_stream("out", 0), "e", entry.raw] for entry in entries]
        ids = [entry.id for entry in entries]
        record = json.dumps([_told(entry) for entry in entries], default=str).encode()
        foreign = self.broker.settle("check", consumer, stream, ids, steps, record)
        self.answers.append(("foreign", [_told(one) for one in entries if one.id in foreign]))
        kept = self.held[consumer, stream]
        self.held[consumer, stream] = [entry for entry in kept if entry.id not in ids]

    def _contents(self, partition: int) -> Any:
        again = _stream("again", partition)
        entries = [self.broker.entry(again, id) for id, _ in self.world.entries(again)]
        return {
            "again": [_told(entry) for entry in entries if entry],
            "blocked": self.broker.blocked("check", partition),
            "out": [fields[1] for _, fields in self.world.entries(keys.topic_stream("out", 0))],
        }


def _stream(where: str, partition: int) -> str:
    if where == "topic":
        return keys.topic_stream("order", partition)
    return keys.again_stream("check", partition)


def _told(entry: Entry) -> tuple[Any, ...]:
    """An entry without its id."""
    return (
        entry.raw,
        keys.is_again(entry.stream),
        entry.generation,
        len(entry.attempts),
        entry.losses,
        entry.worker_losses,
        entry.suspect,
        entry.head,
        bool(entry.origin),
    )
