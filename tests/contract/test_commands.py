"""Commands that come through a topic: carried out once, answered by an event."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, Field
from sqlalchemy import delete

from app import Decider, Event, RetryPolicy, command
from app.cqrs.command import Registry
from app.cqrs.commands import AGAIN, Commands
from app.cqrs.giving import NAME
from app.errors import (
    Conflict,
    EventTooLarge,
    InvalidCommand,
    InvalidEvents,
    NotAllowed,
    NotFound,
    Refused,
    Unavailable,
)
from app.store.commands import KnownRow
from app.subscriptions.declaration import HANDLERS
from tests.contract.worker import Killed

ANN = {"actor": "user:ann", "may": ["operator"]}


class Sell(BaseModel):
    item: str
    pieces: int = Field(gt=0)


@pytest.fixture
def shop(world):
    """A world that sells, and its commands; `shop.broken` makes the seller fail."""
    registry = Registry()
    world.handlers.add(HANDLERS.subscriptions[NAME])

    @command("item.sell", takes=Sell, registry=registry)
    def sell(asked, ctx):
        if world.broken:
            raise world.broken
        if asked.item == "gold":
            raise Refused("there is no gold")
        sold = Event(type="item.sold", data={"pieces": asked.pieces})
        return {"version": ctx.append(f"item-{asked.item}", [sold])}

    world.broken = None
    world.platform.commands = type(world.platform.commands)(world.platform, registry)
    world.platform.commands.declare()
    world.declare()
    return world


def sold(world):
    return world.platform.event_store.version("item-tea")


def send(world, key=None, **asked):
    return world.platform.commands.send(
        "item.sell", {"item": "tea", "pieces": 3, **asked}, **ANN, key=key
    )


def test_it_is_carried_out_and_answered_with_the_command_as_cause(shop):
    id = send(shop)
    assert shop.platform.commands.state(id)["state"] == "waiting"
    shop.run()
    told = shop.platform.commands.state(id)
    assert (told["state"], told["answer"]) == ("done", {"version": 1})
    assert told["position"] == shop.platform.event_store.head()
    (done,) = shop.events("command.done")
    assert (done.causationid, done.data["position"]) == (id, told["position"])
    (stored,) = shop.platform.event_store.read("item-tea")
    assert (stored.event.causationid, stored.event.correlationid) == (id, id)
    (line,) = shop.platform.audit.find(action="command.item.sell").items
    assert (line["actor"], line["cause"]) == ("user:ann", id)


def test_a_resend_is_the_same_command(shop):
    first = send(shop, key="order-7")
    assert send(shop, key="order-7") == first
    shop.run()
    assert send(shop, key="order-7") == first
    shop.run()
    assert sold(shop) == 1
    assert len(shop.events("command.done")) == 1
    with pytest.raises(Conflict, match="order-7"):
        send(shop, key="order-7", pieces=4)


def test_a_refusal_is_kept_and_told(shop):
    id = send(shop, item="gold", key="k")
    shop.run()
    told = shop.platform.commands.state(id)
    assert told["problem"] == {"kind": "refused", "detail": "there is no gold"}
    assert [one.data["kind"] for one in shop.events("command.refused")] == ["refused"]
    assert send(shop, item="gold", key="k") == id


def test_what_needs_no_code_to_be_refused_is_refused_at_once(shop):
    with pytest.raises(InvalidCommand) as refused:
        send(shop, pieces=0)
    assert refused.value.problems[0]["field"] == "pieces"
    with pytest.raises(NotAllowed):
        shop.platform.commands.send("item.sell", {}, actor="user:eve", may=["viewer"])
    with pytest.raises(NotFound):
        shop.platform.commands.send("item.steal", {}, **ANN)
    assert shop.events("command.given") == []


def test_nobody_publishes_a_command_in_anothers_name(shop):
    forged = {"command": "item.sell", "asked": {}, "actor": "user:admin", "may": None}
    with pytest.raises(InvalidEvents, match="not published"):
        shop.publish("command.given", forged)


def test_a_worker_that_dies_between_commit_and_settle_does_it_once(shop, monkeypatch):
    whole = Commands.carry_out

    def dying(self, event):
        whole(self, event)
        monkeypatch.setattr(Commands, "carry_out", whole)
        raise Killed

    monkeypatch.setattr(Commands, "carry_out", dying)
    id = send(shop)
    worker = shop.worker()
    worker.run_until_killed()
    worker.run()
    assert sold(shop) == 1
    assert shop.platform.commands.state(id)["state"] == "done"
    assert len(shop.events("command.done")) == 1


def test_code_that_fails_is_tried_again_and_its_command_is_parked_and_replayed(shop):
    shop.broken = ZeroDivisionError("a bug")
    id = send(shop)
    for _ in range(8):
        shop.advance(600)
    (letter,) = shop.letters
    shop.project()
    told = shop.platform.commands.state(id)
    assert (letter.subscription, told["state"], told["letter"]) == (NAME, "parked", letter.id)
    shop.broken = None
    shop.replay(*shop.letters)
    shop.run()
    assert shop.platform.commands.state(id)["state"] == "done"
    assert sold(shop) == 1


def test_given_while_redis_is_away_it_waits_in_the_outbox(shop, monkeypatch):
    def away(*_, **__):
        raise Unavailable("no server")

    with monkeypatch.context() as outage:
        outage.setattr(shop.platform.publisher, "publish", away)
        id = send(shop, key="k")
        assert send(shop, key="k") == id
    assert shop.platform.commands.state(id)["state"] == "waiting"
    shop.run()
    assert shop.platform.commands.state(id)["state"] == "done"
    assert len(shop.events("command.given")) == 1


def test_one_that_is_too_large_was_never_given(shop):
    with pytest.raises(EventTooLarge):
        send(shop, item="x" * 2_000_000)
    assert shop.platform.commands.given().items == []


def test_a_handler_gives_one_with_its_settle(shop):
    @shop.on("order.placed")
    def order(event, ctx):
        ctx.command("item.sell", {"item": "tea", "pieces": event.data})

    shop.declare()
    shop.publish("order.placed", 2)
    shop.run()
    (done,) = shop.events("command.done")
    assert done.data["actor"] == "subscription:order"
    assert sold(shop) == 1


def test_a_worker_without_its_code_leaves_it_to_one_that_has_it(shop):
    id = send(shop, key="k")
    known = shop.platform.commands.registry.commands
    code = known.pop("item.sell")
    shop.run()
    assert shop.platform.commands.state(id)["state"] == "waiting"
    assert shop.events("command.refused") == []
    known["item.sell"] = code
    shop.advance(600)
    assert shop.platform.commands.state(id)["state"] == "done"


@pytest.mark.parametrize(
    ("name", "asked", "reason"),
    [
        ("item.sell", {"item": "tea", "pieces": 0}, "invalid"),
        ("item.steal", {"item": "tea"}, "exhausted"),
    ],
)
def test_a_handler_that_gives_what_no_command_takes_is_parked(shop, name, asked, reason):
    @shop.on("order.placed", retry=RetryPolicy(attempts=2, base=1))
    def order(event, ctx):
        ctx.command(name, asked)

    shop.declare()
    shop.publish("order.placed")
    shop.run()
    shop.advance(60)
    assert [(one.subscription, one.reason) for one in shop.letters] == [("order", reason)]
    assert shop.events("command.given") == []


def test_a_command_that_no_code_knows_is_parked_and_not_refused(shop):
    id = send(shop)
    shop.platform.commands.registry.commands.clear()
    with shop.platform.database.session() as session:
        session.exec(delete(KnownRow))
    for _ in range(8):
        shop.advance(600)
    assert [one.subscription for one in shop.letters] == [NAME]
    assert shop.platform.commands.state(id)["problem"] is None


def test_who_dies_between_its_row_and_its_topic_has_given_it_all_the_same(shop, monkeypatch):
    def dies(events, **_):
        raise SystemExit  # as a killed process leaves it: nothing more of ours runs

    with monkeypatch.context() as patched:
        patched.setattr(shop.platform.publisher, "publish", dies)
        with pytest.raises(SystemExit):
            send(shop)
    (given,) = [one["id"] for one in shop.platform.commands.given().items]
    shop.run()
    assert shop.platform.commands.state(given)["state"] == "waiting"
    shop.advance(AGAIN + 1)
    shop.run()
    assert (shop.platform.commands.state(given)["state"], sold(shop)) == ("done", 1)


def test_what_the_outbox_has_of_a_command_is_a_duplicate(shop):
    id = send(shop)
    shop.run()
    shop.advance(AGAIN + 1)
    shop.run()
    assert shop.platform.commands.state(id)["state"] == "done"
    assert (sold(shop), len(shop.events("command.given")), shop.letters) == (1, 1, [])


def test_a_decider_decides_in_a_command(shop):
    def decide(amount, total):
        if total + amount > 5:
            raise Refused("the budget is used")
        return [Event(type="budget.spent", data={"amount": amount})]

    class Spend(BaseModel):
        amount: int

    budget = Decider("budgetctx", start=0, decide=decide, evolve=lambda n, e: n + e.data["amount"])

    @command("budget.spend", takes=Spend, registry=shop.platform.commands.registry)
    def spend(asked, ctx):
        held = ctx.decide(budget, "2026", asked.amount)
        return {"spent": held.state, "version": held.version}

    shop.platform.commands.declare()
    ids = [shop.platform.commands.send("budget.spend", {"amount": 3}, **ANN) for _ in range(2)]
    shop.run()
    first, second = sorted(map(shop.platform.commands.state, ids), key=lambda one: one["state"])
    assert (first["answer"], first["position"]) == ({"spent": 3, "version": 1}, 1)
    assert second["problem"]["detail"] == "the budget is used"
    (stored,) = shop.platform.event_store.read("budgetctx:2026")
    assert (stored.event.causationid, stored.actor) == (first["id"], "user:ann")
