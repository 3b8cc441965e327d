"""kill -9 at every statement: of a projection, a reactor, a rebuild, a command and the relay."""

from __future__ import annotations

import pytest
from pydantic import BaseModel
from sqlalchemy import inspect, text

from app import command, reactor
from app.cqrs.command import Registry
from app.cqrs.commands import Commands as GivenCommands
from app.cqrs.following import Following
from app.events.event import Event
from app.streams import keys
from app.subscriptions.relay import Relay
from tests.cqrs.test_projections import follow, sell, shop, sold
from tests.support.killed import at_every_step, begun, ended

__all__ = ["shop"]


def let_go(platform) -> None:
    """The term of a dead owner is over."""
    with platform.database.session() as session:
        session.execute(text("UPDATE owners SET until = 0"))


def wanted(platform) -> int:
    with platform.database.read() as session:
        return session.execute(text("SELECT count(*) FROM outbox")).scalar()


@pytest.fixture
def mailing(shop):
    @reactor(
        "item.sold",
        emits=["mail.wanted"],
        name="mailer",
        start="earliest",
        followers=shop.followers,
    )
    def mailer(event, view):
        return Event(type="mail.wanted", data=event.data)

    return shop


def test_projections_and_reactors_count_nothing_twice(mailing):
    total = 0

    def work() -> None:
        follow(mailing, Following(mailing, "child"))

    def check() -> None:
        nonlocal total
        follow(mailing)
        assert sold(mailing) == {"tea": total}
        assert wanted(mailing) == total
        total += 2
        sell(mailing, 1, 1)

    sell(mailing, 1)
    total += 1
    check()
    assert at_every_step(mailing, work, check) > 15


def test_two_at_once_of_which_one_is_killed(mailing):
    total, step, died = 0, 0, True
    while died:
        sell(mailing, *[1] * 20)
        total += 20
        children = [
            begun(mailing, lambda: follow(mailing, Following(mailing, "victim")), step),
            begun(mailing, lambda: follow(mailing, Following(mailing, "survivor"))),
        ]
        died = any([ended(child) for child in children])
        follow(mailing)
        assert (sold(mailing), wanted(mailing)) == ({"tea": total}, total)
        step += 3
    assert step > 12


def test_a_rebuild_and_its_switch(shop):
    """Whatever is killed: readers see the old tables or the new ones, whole, and no event twice or never."""
    total, rebuilt = 3, 0

    def work() -> None:
        follow(shop, Following(shop, "child"))

    def check() -> None:
        nonlocal total, rebuilt
        assert sold(shop) == {"tea": total}
        sell(shop, 1)
        total += 1
        follow(shop, Following(shop, "next"))
        assert sold(shop) == {"tea": total}
        (told,) = shop.projections.list()
        assert (told["building"], told["lag"], told["version"]) == (None, 0, 1)
        tables = inspect(shop.database.engine).get_table_names()
        assert [name for name in tables if name.startswith("test_sales")] == ["test_sales"]
        shop.projections.rebuild("sales", "cli")
        rebuilt += 1

    sell(shop, 1, 2)
    follow(shop)
    shop.projections.rebuild("sales", "cli")
    assert at_every_step(shop, work, check, stride=2) > 15
    assert rebuilt > 7


def test_a_command_and_its_resend(platform):
    class Sell(BaseModel):
        pieces: int

    registry = Registry()

    @command("item.sell", takes=Sell, registry=registry)
    def sell_item(asked, ctx):
        ctx.append("item-tea", [Event(type="item.sold", data=asked.pieces)] * asked.pieces)
        return {"sold": asked.pieces}

    tries = [0]

    def give():
        commands = GivenCommands(platform, registry)
        options = {"actor": "user:ann", "may": ("operator",)}
        return commands.execute("item.sell", {"pieces": 2}, key=f"k-{tries[0]}", **options)

    def check() -> None:
        told = give()  # the resend, whatever became of the first
        tries[0] += 1
        assert told["answer"] == {"sold": 2}
        assert told["position"] == platform.event_store.head()
        assert platform.event_store.version("item-tea") == 2 * tries[0]
        noted = platform.audit.find(action="command.item.sell", limit=100).items
        assert len(noted) == tries[0]

    assert at_every_step(platform, give, check) > 5


def test_the_relay_publishes_once_and_in_order(platform):
    published = 0

    def put() -> None:
        nonlocal published
        with platform.database.session() as session:
            events = [Event(type="order.placed", data=published + n) for n in range(2)]
            platform.outbox.add(session, events)
        published += 2
        stored = Event(type="parcel.packed", data=published)
        platform.event_store.append("parcel", stored)

    def check() -> None:
        let_go(platform)
        Relay(platform, "after").drain()
        let_go(platform)
        assert topic("order") == list(range(published))
        assert topic("parcel") == list(range(2, published + 1, 2))
        put()

    def topic(name: str) -> list[int]:
        found = platform.redis.xrange(keys.topic_stream(name, 0))
        return [Event.from_bytes(fields[b"e"]).data for _, fields in found]

    put()
    assert at_every_step(platform, lambda: Relay(platform, "child").drain(), check) > 10
