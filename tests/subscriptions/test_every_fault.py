"""What follows from one event, and a fault at each statement and message of it in turn.

A handler edits an aggregate in its session, a process takes a step and sets a deadline, both answer with
events; the relay brings what was committed to its topics. Whatever dies or is lost in between, the next one to come
brings it to the same end as if nothing had been: once, in order, nothing parked.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from app import Aggregate, Event, Process, bootstrap, process, when
from app.sourcing.aggregate import applies
from app.streams import keys
from app.subscriptions.declare import declare
from app.subscriptions.reclaim import release_consumers
from app.subscriptions.relay import Relay
from config.settings import Settings
from tests.contract.world import RedisWorld
from tests.support.killed import dies_at, loses_answer


class Crate(Aggregate):
    snapshot_every = 1
    pieces: int = 0

    @applies("crate.filled")
    def _filled(self, event: Event) -> None:
        self.pieces += event.data


class SqlWorld(RedisWorld):
    """On a database that lasts, whose file or server other processes use as well."""

    @cached_property
    def platform(self) -> bootstrap.Platform:  # type: ignore[override]
        made = bootstrap.build(
            self.settings, clock=self.clock, handlers=self.handlers, types=self.types
        )
        made.wake_relay = lambda: None  # type: ignore[method-assign]
        declare(made)
        return made

    def work(self) -> None:
        """What one process does: deliver, and relay."""
        worker = self.worker()
        relay = Relay(self.platform, f"{os.getpid()}-{next(self.numbers)}")
        while worker.run() + relay.drain():
            pass

    def go_on(self) -> None:
        """What the next one does, after the term of whoever is gone, and the time until a retry."""
        streams = [keys.topic_stream("order", 0), *map(keys.again_stream, ("fill", "checkout"))]
        broker = self.platform.broker()
        release_consumers(self.platform.redis, broker, streams, lambda _: True, suspect=True)
        with self.platform.database.session() as session:
            session.execute(text("UPDATE owners SET until = 0"))
        self.work()
        while self.platform.redis.zcard(keys.DELAYED):
            self.pass_time(60)
            self.work()
        with self.platform.database.session() as session:
            session.execute(text("UPDATE owners SET until = 0"))

    def came_of(self, order: str) -> dict[str, Any]:
        with self.platform.database.read() as session:
            case = session.execute(text("SELECT state FROM cases WHERE key = :k"), {"k": order})
            waiting = session.execute(
                text("SELECT count(*) FROM outbox WHERE handle LIKE :k"), {"k": f"%{order}"}
            )
            told = {"case": case.scalar(), "deadlines": waiting.scalar()}
        crate = self.platform.aggregates.get(Crate, order)
        events = sorted(event.type for event in self.events() if event.subject == order)
        return {**told, "pieces": crate.pieces, "version": crate.version, "events": events}


@pytest.fixture
def shop(redis_url: str, migrated_url: str, tmp_path: Path) -> Iterator[SqlWorld]:
    extra = {} if migrated_url.startswith("sqlite") else {"database_url": migrated_url}
    world = SqlWorld(Settings(data_dir=tmp_path, redis_url=redis_url, **extra))

    @world.on("order.placed", name="fill", emits=["parcel.packed"])
    def fill(event, ctx):
        with ctx.platform.aggregates.edit(Crate, event.subject, session=ctx.session) as one:
            assert one.version == 0, "this was done before"
            one.record("crate.filled", 2)
        return Event(type="parcel.packed", subject=event.subject)

    @process(by="subject", emits=["payment.requested"], name="checkout", handlers=world.handlers)
    class Checkout(Process):
        @when("order.placed", start=True)
        def ask(self, event, ctx):
            self.become("unpaid", within="1h")
            return Event(type="payment.requested", subject=event.subject)

    before = bootstrap.use(None)
    yield world
    bootstrap.use(before)
    world.platform.close()


def test_killed_anywhere_it_comes_to_the_same_end(shop: SqlWorld) -> None:
    assert _steps(shop, dies_at, stride=7) > 30


@pytest.mark.parametrize("migrated_url", ["postgresql"], indirect=True)  # a file has no connection
def test_where_the_answer_to_a_commit_is_lost_it_comes_to_the_same_end(shop: SqlWorld) -> None:
    assert _steps(shop, loses_answer) > 4


def _steps(shop: SqlWorld, fault: Callable[..., bool], stride: int = 1) -> int:
    shop.publish("order.placed", subject="o-0")
    shop.go_on()
    undisturbed = shop.came_of("o-0")
    assert (undisturbed["case"], undisturbed["pieces"]) == ("unpaid", 2)

    step, hit = 0, True
    while hit:
        order = f"o-{step + 1}-"
        shop.publish("order.placed", subject=order)
        hit = fault(shop.platform, step, shop.work)
        shop.go_on()
        assert shop.came_of(order) == undisturbed, f"after a fault at step {step}"
        step += stride
    shop.project()
    assert shop.letters == []
    return step
