"""Commands: checked, allowed, done once, and written down."""

from __future__ import annotations

import threading

import pytest
from pydantic import BaseModel, Field

from app import Aggregate, Decider, applies, command, origin
from app.cqrs import refusals
from app.cqrs.asked import id_of
from app.cqrs.command import Registry
from app.cqrs.commands import AGAIN, Commands
from app.errors import Conflict, EventTooLarge, NotFound, Refused
from app.events.event import Event
from app.store.lent import NotYours
from config.settings import SHORTEST_WINDOW

OPERATOR = ("viewer", "publisher", "operator")


class Sell(BaseModel):
    item: str
    pieces: int = Field(gt=0)


@pytest.fixture
def commands(platform) -> Commands:
    registry = Registry()

    @command("item.sell", takes=Sell, registry=registry)
    def sell(asked, ctx):
        version = ctx.append(
            f"item-{asked.item}", [Event(type="item.sold", data={"pieces": asked.pieces})]
        )
        if asked.item == "broken":
            raise ZeroDivisionError
        return {"version": version}

    return Commands(platform, registry)


def give(commands, item="tea", pieces=3, **options):
    options = {"actor": "user:ann", "may": OPERATOR, **options}
    return commands.execute("item.sell", {"item": item, "pieces": pieces}, **options)


def test_it_answers_with_the_position_and_is_written_down(commands, platform):
    with origin.of(origin.Origin("api", "10.0.0.1", "request-1")):
        told = give(commands)
    assert told == {"answer": {"version": 1}, "position": platform.event_store.head()}
    (line,) = platform.audit.find(action="command.item.sell").items
    assert (line["actor"], line["details"]["asked"]["pieces"]) == ("user:ann", 3)
    assert (line["interface"], line["address"], line["cause"]) == ("api", "10.0.0.1", "request-1")


def test_a_resend_after_a_lost_reply_gets_the_same_answer_and_does_nothing(commands, platform):
    first = give(commands, key="k-1")  # committed; the reply is lost
    assert give(commands, key="k-1") == first
    assert platform.event_store.version("item-tea") == 1
    assert len(platform.audit.find(action="command.item.sell").items) == 1
    with pytest.raises(Conflict, match="k-1"):
        give(commands, key="k-1", pieces=4)
    assert give(commands, key="k-1", actor="user:bob")["answer"] == {"version": 2}


def test_the_same_key_at_the_same_time_is_one(commands, platform):
    told: list[dict] = []
    threads = [
        threading.Thread(target=lambda: told.append(give(commands, key="k"))) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert told == [told[0]] * 5
    assert platform.event_store.version("item-tea") == 1


def test_a_failure_leaves_nothing_and_can_be_tried_again(commands, platform):
    with pytest.raises(ZeroDivisionError):
        give(commands, item="broken", key="k-1")
    assert platform.event_store.version("item-broken") == 0
    assert platform.audit.find(action="command.item.sell").items == []
    with pytest.raises(ZeroDivisionError):
        give(commands, item="broken", key="k-1")


@pytest.mark.parametrize("by", ["here", "a worker"])
def test_a_refusal_is_kept_under_its_key_whoever_carries_it_out(commands, platform, by):
    stock = {"tea": 2}

    @command("item.take", takes=Sell, registry=commands.registry)
    def take(asked, ctx):
        ctx.append("item-tea", [Event(type="item.taken")])
        if asked.pieces > stock[asked.item]:
            raise Refused(f"{stock[asked.item]} are left")
        return "taken"

    def give(key):
        asked = {"item": "tea", "pieces": 3}
        if by == "here":
            return commands.execute("item.take", asked, actor="user:ann", may=OPERATOR, key=key)[
                "answer"
            ]
        id = id_of("item.take", "user:ann", key)
        data = {"command": "item.take", "asked": asked, "actor": "user:ann", "key": key}
        told = commands.carry_out(Event(type="command.given", id=id, source="/c", data=data))
        if told["problem"]:
            raise refusals.raised(told["problem"])
        return told["answer"]

    with pytest.raises(Refused, match="2 are left"):
        give("k-1")
    stock["tea"] = 9
    with pytest.raises(Refused, match="2 are left"):  # the reply was lost, and is sent again
        give("k-1")
    assert platform.event_store.head() == 0
    assert give("k-2") == "taken"
    (line,) = platform.audit.find(action="command.refused", target="item.take").items
    assert (line["actor"], line["details"]["key"]) == ("user:ann", "k-1")
    assert line["details"]["asked"] == {"item": "tea", "pieces": 3}
    assert [one["key"] for one in commands.given(state="refused").items] == ["k-1"]
    with pytest.raises(Conflict, match="used for another"):
        commands.execute(
            "item.take", {"item": "tea", "pieces": 1}, actor="user:ann", may=OPERATOR, key="k-1"
        )


def test_what_is_refused_without_a_key_is_written_down_and_not_kept(commands, platform):
    @command("item.take", takes=Sell, registry=commands.registry)
    def take(asked, ctx):
        raise Refused("none are left")

    with pytest.raises(Refused, match="none are left"):
        commands.execute("item.take", {"item": "tea", "pieces": 1}, actor="cli:ann", may=OPERATOR)
    (line,) = platform.audit.find(action="command.refused", target="item.take").items
    assert (line["actor"], line["details"]["refused"]) == ("cli:ann", "none are left")
    assert commands.given().items == []


def test_what_a_command_is_published_again_for_comes_within_the_shortest_window():
    assert 2 * AGAIN <= SHORTEST_WINDOW


@pytest.mark.parametrize("end", ["commit", "rollback", "close", "reset", "invalidate"])
def test_a_command_can_not_commit_a_part_of_it(commands, platform, end):
    @command("item.lend", takes=Sell, registry=commands.registry)
    def lend(asked, ctx):
        ctx.append("item-tea", [Event(type="item.lent")])
        getattr(ctx.session, end)()

    with pytest.raises(NotYours, match="committed for you"):
        commands.execute(
            "item.lend", {"item": "tea", "pieces": 1}, actor="cli", may=OPERATOR, key="k-1"
        )
    assert platform.event_store.head() == 0


def test_an_answer_that_no_event_can_bear_is_refused_before_anything_is_done(commands, platform):
    @command("item.list", takes=Sell, registry=commands.registry)
    def list_all(asked, ctx):
        ctx.append("item-tea", [Event(type="item.listed")])
        return ["tea" * 1000] * asked.pieces

    with pytest.raises(EventTooLarge, match="Nothing was done"):
        commands.execute("item.list", {"item": "tea", "pieces": 500}, actor="cli", may=OPERATOR)
    assert platform.event_store.head() == 0


def test_what_is_not_valid_or_not_allowed_is_refused(commands, platform):
    with pytest.raises(Refused, match="pieces"):
        give(commands, pieces=0)
    with pytest.raises(Refused, match="takes the role operator"):
        give(commands, may=("viewer",))
    with pytest.raises(TypeError, match=r"may=\['operator'\]"):
        give(commands, may="operator")  # "rat" is in it, too
    with pytest.raises(NotFound):
        commands.execute("nothing", {}, actor="cli", may=OPERATOR)
    assert platform.event_store.head() == 0


class Crate(Aggregate):
    category = "commands-crate"
    items: dict[str, int] = {}  # noqa: RUF012
    log: list[str] = []  # noqa: RUF012

    @applies("crate.packed")
    def _packed(self, event):
        self.items[event.data] = self.items.get(event.data, 0) + 1
        self.log.append(event.data * 600)


def test_its_line_says_what_it_changed_of_an_aggregate(platform):
    registry = Registry()
    limit = Decider("commands-limit", start=0, evolve=lambda total, event: total + event.data,
                    decide=lambda asked, total: [Event(type="limit.spent", data=asked)])  # fmt: skip

    @command("crate.pack", takes=Sell, registry=registry)
    def pack(asked, ctx):
        with ctx.edit(Crate, "1") as crate:
            crate.record("crate.packed", asked.item)
        with ctx.edit(Crate, "2"):
            pass  # unchanged: not in the line
        ctx.decide(limit, "2026", asked.pieces)
        if asked.item == "cup":
            ctx.changed("mine", "own")

    commands = Commands(platform, registry)
    for item in ("tea", "pot", "cup"):
        commands.execute("crate.pack", {"item": item, "pieces": 3}, actor="user:ann", may=OPERATOR)
    said, second, _ = platform.audit.find(action="command.crate.pack").items
    assert (said["before"], said["after"]) == ("mine", "own")
    assert second["details"]["streams"] == {"commands-crate:1": 2, "commands-limit:2026": 2}
    assert second["before"]["commands-limit:2026"] == {"state": 3}
    assert second["after"]["commands-limit:2026"] == {"state": 6}
    assert second["before"]["commands-crate:1"] == {"log": "(1,804 bytes of JSON: see its history)"}
    assert second["after"]["commands-crate:1"]["items.pot"] == 1
    (spent,) = platform.event_store.read("commands-limit:2026", until_version=1)
    assert spent.event.subject == "2026"


def test_what_a_worker_refuses_is_written_down_once(commands, platform):
    asked = {"item": "tea", "pieces": 3}
    data = {"command": "item.sell", "asked": asked, "actor": "user:bob", "may": ["viewer"],
            "key": None, "interface": "console", "address": "10.0.0.7"}  # fmt: skip
    given = Event(type="command.given", id="given-1", source="/commands", data=data)
    for _ in range(2):
        assert commands.carry_out(given)["state"] == "refused"
    (line,) = platform.audit.find(action="command.refused", target="item.sell").items
    assert (line["actor"], line["address"], line["cause"]) == ("user:bob", "10.0.0.7", "given-1")
    assert "takes the role operator" in line["details"]["refused"]
    assert (line["details"]["asked"], line["details"]["command"]) == (asked, "given-1")
