"""An old and a new release side by side: neither takes back what the other's live workers have."""

from __future__ import annotations

import msgspec
import pytest
from pydantic import BaseModel

from app import Event, bootstrap, command
from app.cqrs.command import Registry
from app.cqrs.commands import Commands
from app.errors import Unavailable
from app.events.schema import EventTypes
from app.streams import keys
from app.subscriptions.declaration import Handlers, on
from app.subscriptions.declare import declare
from app.subscriptions.side_by_side import ABANDONED, GONE, SideBySide
from app.testing import FakeClock

ANN = {"actor": "user:ann", "may": ["operator"]}


class Sell(BaseModel):
    item: str


class SellOrGive(BaseModel):
    item: str
    gift: bool = False


class Worker:
    """A release's worker, as far as this goes: it declares, beats, and keeps."""

    def __init__(self, settings, id, **commands):
        handlers = Handlers()
        on("order.placed", name=f"shop.{id}", handlers=handlers)(lambda event, ctx: None)
        self.clock = FakeClock()
        self.platform = bootstrap.build(
            settings, clock=self.clock, handlers=handlers, types=EventTypes()
        )
        registry = Registry()
        for name, takes in commands.items():
            command(f"item.{name}", takes=takes, registry=registry)(self.carry_out)
        self.platform.commands = Commands(self.platform, registry)
        self.id, self.done = id, []
        self.sides = SideBySide(self.platform, id, declare)

    def carry_out(self, asked, ctx):
        self.done.append(asked.model_dump())

    def start(self):
        declare(self.platform)
        self.beats()
        self.sides.keep()
        return self

    def beats(self, says=True):
        seconds, _ = self.platform.redis.time()
        beat = msgspec.json.encode({"beat": seconds + 3600, "lanes": ["default"]})
        self.platform.redis.hset(keys.WORKERS, self.id, beat)
        if not says:
            self.platform.redis.hdel(keys.CODE, self.id)

    def ends(self):
        self.platform.redis.hdel(keys.WORKERS, self.id)

    def keeps_for(self, seconds):
        self.sides.keep()
        self.clock.advance(seconds)
        self.sides.keep()

    @property
    def commands(self):
        return sorted(one["name"] for one in Commands(self.platform, Registry()).list())

    @property
    def active(self):
        return [row["name"] for row in self.platform.subscription_store.all(active_only=True)]


@pytest.fixture
def worker(platform):
    made = []

    def make(id, **commands):
        made.append(Worker(platform.settings, id, **commands))
        return made[-1]

    yield make
    for one in made:
        one.platform.close()


def test_an_old_worker_that_starts_again_takes_nothing_of_the_new_release(worker):
    old = worker("old", sell=Sell).start()
    new = worker("new", sell=SellOrGive, refund=Sell).start()
    old.start()
    assert new.commands == ["item.refund", "item.sell"]
    assert new.active == ["shop.new", "shop.old"]
    old.keeps_for(ABANDONED)
    assert new.commands == ["item.refund", "item.sell"]

    old.ends()
    new.keeps_for(GONE)
    assert new.active == ["shop.new"]  # the old one's has gone, and its schema with it
    assert "gift" in new.platform.commands.list()[1]["schema"]["properties"]
    (_, (_, _, takes)) = new.platform.commands.rows()
    assert takes == new.platform.commands.takes()["item.sell"]


def test_what_an_older_worker_that_does_not_say_has_is_left_alone_and_what_it_took_is_put_back(
    worker,
):
    new = worker("new", sell=Sell).start()
    worker("old", refund=Sell).beats(says=False)
    declare(worker("third", pack=Sell).platform)
    new.keeps_for(ABANDONED)
    assert new.commands == ["item.pack", "item.sell"]
    new.platform.commands.forget(["item.sell"])
    new.platform.subscription_store.retire(["shop.new"])
    new.sides.keep()
    assert (new.commands, new.active) == (["item.pack", "item.sell"], ["shop.new", "shop.third"])


def test_what_no_worker_has_any_more_is_forgotten_also_of_a_module_that_is_gone(worker):
    declare((gone := worker("gone", pack=Sell)).platform)
    with gone.platform.database.session() as session:
        session.connection().exec_driver_sql("UPDATE commands SET module = 'shop.removed'")
    new = worker("new", sell=Sell).start()
    new.keeps_for(GONE)
    assert new.commands == ["item.pack", "item.sell"]
    new.keeps_for(ABANDONED)
    assert new.commands == ["item.sell"]


def test_a_command_waits_for_a_worker_that_has_what_it_was_checked_against(worker):
    old = worker("old", sell=Sell).start()
    new = worker("new", sell=SellOrGive).start()
    web = Commands(new.platform, Registry())
    asked = {"item": "tea", "gift": True}
    id = web.send("item.sell", asked, **ANN)
    ((_, fields),) = new.platform.redis.xrange(keys.topic_stream("command", 0))
    given = Event.from_bytes(fields[b"e"])
    old.start()  # says what the command took before, and takes the next event
    with pytest.raises(Unavailable, match="older release"):
        old.platform.commands.carry_out(given)
    assert new.platform.commands.carry_out(given)["state"] == "done"
    assert (old.done, new.done, web.state(id)["state"]) == ([], [asked], "done")


def test_where_no_worker_has_that_any_more_ours_is_what_there_is(worker):
    old = worker("old", sell=Sell).start()
    Commands(old.platform, Registry()).send("item.sell", {"item": "tea"}, **ANN)
    ((_, fields),) = old.platform.redis.xrange(keys.topic_stream("command", 0))
    old.ends()
    new = worker("new", sell=SellOrGive).start()
    told = new.platform.commands.carry_out(Event.from_bytes(fields[b"e"]))
    assert (told["state"], new.done) == ("done", [{"item": "tea", "gift": False}])
