"""What people see of the keys of joins and processes."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from app.errors import Conflict, NotFound, Refused
from app.events.event import Event
from app.store.moments import seconds
from app.subscriptions.cases_told import MOST
from app.subscriptions.declaration import Handlers
from app.subscriptions.joins import on_all
from app.subscriptions.processes import Process, process, when
from app.testing import InMemoryPlatform

KEPT = Handlers()


@on_all(["a.done", "b.done"], by="subject", within="1h", name="both", handlers=KEPT)
def both(events, ctx):
    return None


@process(by="subject", name="checkout", handlers=KEPT)
class Checkout(Process):
    amount: int = 0

    @when("order.placed", start=True)
    def ask(self, event, ctx):
        self.amount = event.data
        self.become("unpaid", within="1d")

    @when("order.paid", state="unpaid")
    def paid(self, event, ctx):
        self.finish()


def test_each_key_says_where_it_stands_and_until_when_it_waits() -> None:
    platform = InMemoryPlatform(handlers=KEPT)
    now, cases = platform.clock.now(), platform.platform.cases
    a = platform.publish("a.done", subject="x")
    for type, subject in (("b.done", "y"), ("a.done", "y"), ("order.paid", "o-2")):
        platform.publish(type, subject=subject)
    platform.publish_many([Event(type="order.placed", subject="o-1", data=12)])
    platform.run()
    assert cases.counts("both") == {"waiting": 1, "done": 1}
    (waits,) = cases.of("both", "waiting").items
    assert (waits["key"], waits["arrived"], waits["over"]) == ("x", {"a.done": a.id}, False)
    assert abs(seconds(waits["deadline"]) - now - 3600) < 60
    (over,) = cases.of("both", "done").items
    assert (over["deadline"], over["arrived"], over["over"]) == (None, {}, True)

    first = cases.of("checkout", limit=1)
    rest = cases.of("checkout", limit=1, cursor=first.next)
    told = {one["key"]: one for one in (*first.items, *rest.items)}
    assert (told["o-1"]["state"], told["o-1"]["fields"]) == ("unpaid", {"amount": 12})
    assert told["o-1"]["deadline"] and not told["o-2"]["deadline"]
    assert told["o-2"]["state"] == "early" and cases.of("checkout", "early").items == [told["o-2"]]
    platform.advance(3601)
    assert cases.counts("both") == {"expired": 1, "done": 1}
    assert cases.counts("nothing") == {}


def test_an_operator_ends_what_is_stuck_and_nothing_comes_of_it() -> None:
    platform = InMemoryPlatform(handlers=KEPT)
    cases, audit = platform.platform.cases, platform.platform.audit
    for type, subject in (("a.done", "x"), ("a.done", "y"), ("b.done", "y"), ("a.done", "z")):
        platform.publish(type, subject=subject)
    platform.publish("order.paid", subject="o-1")  # which has not begun
    platform.publish("order.placed", 5, subject="o-2")
    platform.run()

    for wrong, error in ((["x", "y"], Conflict), (["x", "n"], NotFound), ([], Refused)):
        with pytest.raises(error):
            cases.end("both", wrong, "user:ann")
    with pytest.raises(Refused, match="1 to 100"):
        cases.end("both", [str(n) for n in range(MOST + 1)], "user:ann")
    assert cases.counts("both") == {"waiting": 2, "done": 1}

    assert cases.end("both", ["x"], "user:ann", "its parcel is lost") == 1
    assert cases.end("checkout", ["o-2", "o-1"], "user:ann") == 2
    assert cases.counts("both") == {"waiting": 1, "done": 1, "ended by hand": 1}
    assert cases.counts("checkout") == {"ended by hand": 1}
    with pytest.raises(Conflict, match="ended by hand"):
        cases.end("both", ["x"], "user:ann")
    (told,) = cases.of("both", "ended by hand").items
    assert (told["key"], told["state"], told["over"], told["arrived"]) == (
        "x", "ended by hand", True, {})  # fmt: skip
    assert cases.of("both", "expired").items == []
    with platform.platform.database.read() as session:  # what earlier releases leave alone
        states = session.execute(text("SELECT key, state FROM cases WHERE state != 'waiting'"))
        assert dict(states.all()) == {"y": "done", "x": "expired", "o-2": "expired"}
    (_, line) = audit.find(action="case.ended").items
    assert (line["actor"], line["target"], line["details"]) == (
        "user:ann", "subscription:both", {"reason": "its parcel is lost"},
    )  # fmt: skip
    assert (line["before"], line["after"]) == ({"x": "waiting"}, {"x": "ended by hand"})

    platform.publish("b.done", subject="x")
    platform.publish("order.paid", subject="o-2")
    platform.publish("order.placed", 7, subject="o-1")
    platform.run()
    platform.advance(2 * 86_400)
    assert [event.data["key"] for event in platform.events("join.expired")] == ["z"]
    assert cases.counts("both") == {"expired": 1, "done": 1, "ended by hand": 1}
    assert cases.counts("checkout") == {"ended by hand": 1, "unpaid": 1}
