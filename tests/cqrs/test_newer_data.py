"""In a deploy an older worker meets data of the newer release: it leaves that to the newer code, which goes on."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from click.testing import CliRunner
from pydantic import BaseModel

from app import Aggregate, applies, projection
from app.cli.projections import projections
from app.cqrs.declaration import Followers
from app.cqrs.following import Following
from app.errors import Conflict, InvalidEvents, NewerData
from app.events.event import Event
from app.events.schema import EventTypes, event_type, upcast
from tests.cqrs.test_projections import Sales, beat, follow, shop, sold

__all__ = ["shop"]


class Pieces(BaseModel):
    pieces: int


class Dozens(BaseModel):
    pieces: int
    each: int
    """The older class takes this data too, and counts other things."""


def deploy(platform, version: int, on_error: str = "stop") -> None:
    """Have the code of a release: its version of the data, and its projection."""
    types = platform.catalogue.types = EventTypes()
    event_type("item.sold", version=version, types=types)(Pieces if version == 1 else Dozens)
    if version == 2:
        upcast("item.sold", 1, types=types)(lambda data: {**data, "each": 1})
    platform.followers = Followers()

    @projection("sales", 1, [Sales], on_error=on_error, followers=platform.followers)
    def sales(event, view):
        row = view.get(Sales, event.subject) or view.add(Sales(item=event.subject, pieces=0))
        row.pieces += event.data.pieces * getattr(event.data, "each", 1)


def sell(platform, **data) -> None:
    platform.event_store.append("item:tea", [Event(type="item.sold", subject="tea", data=data)])


@pytest.mark.parametrize("on_error", ["stop", "skip"])
def test_a_follower_leaves_it_to_the_newer_code_which_goes_on_by_itself(shop, on_error):
    deploy(shop, 1, on_error)
    sell(shop, pieces=1)
    sell(shop, pieces=1)
    deploy(shop, 2, on_error)
    sell(shop, pieces=1, each=12)
    deploy(shop, 1, on_error)
    older = Following(shop, "older")
    follow(shop, older)
    follow(shop, older)
    told = shop.projections.get("sales")
    assert (told["state"], told["position"], told["skipped"], sold(shop)) == (
        "stopped", 2, [], {"tea": 2})  # fmt: skip
    assert "item.sold comes in version 2 here, and this code knows" in told["problem"]
    assert (told["older_code"], told["stopped_by"]["position"]) == (True, 3)
    (why,) = [one["why"] for one in shop.projections.stopped()]
    assert why == "Its code is older than item.sold at the position 3."

    deploy(shop, 2, on_error)
    follow(shop, Following(shop, "newer"))
    told = shop.projections.get("sales")
    assert (told["state"], told["problem"], sold(shop)) == ("running", None, {"tea": 14})


def test_after_a_rollback_for_good_it_goes_on_behind_what_an_operator_leaves_out(shop):
    deploy(shop, 2)
    sell(shop, pieces=1, each=12)
    deploy(shop, 1)
    sell(shop, pieces=1)
    older = Following(shop, "older")
    follow(shop, older)
    shop.projections.resume("sales", "cli")
    follow(shop, older)  # meets it again
    assert shop.projections.get("sales")["state"] == "stopped"
    shop.projections.skip("sales", "cli", "rolled back")
    follow(shop, older)
    told = shop.projections.get("sales")
    assert (told["state"], told["position"], sold(shop)) == ("running", 2, {"tea": 1})
    assert [one["position"] for one in told["skipped"]] == [1]
    with pytest.raises(Conflict, match="isn't stopped by an event"):
        shop.projections.skip("sales", "cli")


def test_after_a_rollback_for_good_all_that_is_newer_is_left_out_at_once(shop):
    for version in (1, 2, 1, 2, 1, 2):
        deploy(shop, version)
        sell(shop, pieces=1, **({"each": 12} if version == 2 else {}))
    deploy(shop, 1)
    older = Following(shop, "older")
    follow(shop, older)
    shop.projections.rebuild("sales", "cli")  # as stuck as the live one
    follow(shop, older)
    shown = shop.projections.newer("sales")
    assert shown == {"type": "item.sold", "above": 1, "events": 3, "until": 6}
    deploy(shop, 2)
    sell(shop, pieces=1, each=12)  # by whoever still runs that
    deploy(shop, 1)

    assert shop.projections.skip_newer("sales", "cli", "rolled back", until=shown["until"]) == 3
    follow(shop, older)
    told = shop.projections.get("sales")
    assert (sold(shop), told["position"], told["stopped_by"]["position"]) == ({"tea": 3}, 6, 7)
    assert told["building"]["position"] == 6
    assert [one["position"] for one in told["skipped"]] == [2, 4, 6]
    (line, *_) = shop.audit.find(action="projection.skipped").items
    assert line["details"]["leaves_out"] == shown and line["details"]["reason"] == "rolled back"

    assert shop.projections.skip_newer("sales", "cli") == 1
    follow(shop, older)
    assert shop.projections.get("sales")["state"] == "running"
    assert shop.projections.newer("sales") is None
    with pytest.raises(Conflict, match="isn't stopped by an event that only newer code reads"):
        shop.projections.skip_newer("sales", "cli")

    shop.projections.rebuild("sales", "cli")
    deploy(shop, 2)  # it comes after all, and brings everything
    follow(shop, Following(shop, "newer"))
    assert (shop.projections.get("sales")["building"], sold(shop)) == (None, {"tea": 51})


def test_the_command_line_says_how_many_before_it_leaves_them_out(shop, monkeypatch):
    deploy(shop, 2)
    sell(shop, pieces=1, each=12)
    sell(shop, pieces=1, each=12)
    deploy(shop, 1)
    follow(shop, Following(shop, "older"))
    monkeypatch.setattr("app.cli.projections.opened", lambda: nullcontext(shop))

    def run(*words: str, answer: str = ""):
        return CliRunner().invoke(projections, ["skip", "sales", "--newer", *words], input=answer)

    asked = run(answer="n\n")
    assert asked.exit_code == 1 and "2 events of item.sold, of versions above 1" in asked.output
    assert shop.projections.get("sales")["state"] == "stopped"
    assert "leaves out 2 events of newer code" in run(answer="y\n").output
    follow(shop, Following(shop, "older"))
    assert shop.projections.get("sales")["state"] == "running"
    assert isinstance(run("--yes").exception, Conflict)


def test_newer_code_reads_what_was_to_be_left_out(shop):
    deploy(shop, 2)
    sell(shop, pieces=1, each=12)
    deploy(shop, 1)
    follow(shop, Following(shop, "older"))
    assert shop.projections.skip_newer("sales", "cli") == 1
    deploy(shop, 2)
    follow(shop, Following(shop, "newer"))
    assert (shop.projections.get("sales")["skipped"], sold(shop)) == ([], {"tea": 12})


def test_a_build_waits_for_newer_code_beside_live_rows_that_stand_still(shop):
    deploy(shop, 2)
    sell(shop, pieces=1, each=12)
    follow(shop)
    shop.projections.rebuild("sales", "cli")
    deploy(shop, 1)
    follow(shop, Following(shop, "older"))
    assert "this code knows version 1" in shop.projections.get("sales")["building"]["problem"]
    deploy(shop, 2)
    follow(shop, Following(shop, "newer"))
    told = shop.projections.get("sales")
    assert (told["state"], told["building"], sold(shop)) == ("running", None, {"tea": 12})


def test_older_code_lets_another_worker_follow(shop):
    """Which may be of the newer release; where there is none, it keeps the others going."""
    deploy(shop, 2)
    sell(shop, pieces=1, each=12)
    deploy(shop, 1)
    older, newer = Following(shop, "pc-2-ab"), Following(shop, "pc-1-cd")
    assert older.is_active()
    follow(shop, older)
    older.give_way()
    assert older.is_active() and not newer.is_active()

    beat(shop, "sales")
    older._gives_way = float("-inf")  # a while later
    older.give_way()
    assert newer.is_active() and not older.is_active()
    deploy(shop, 2)
    follow(shop, newer)
    newer.give_way()
    assert sold(shop) == {"tea": 12} and newer.is_active()


class Stock(Aggregate):
    category = "item"
    sold: int = 0

    @applies("item.sold")
    def _sold(self, event):
        self.sold += event.data.pieces


def test_an_aggregate_is_not_read_by_a_class_that_is_too_old(shop):
    deploy(shop, 2)
    sell(shop, pieces=1, each=12)
    deploy(shop, 1)
    with pytest.raises(NewerData, match="left to newer code"):
        shop.aggregates.get(Stock, "tea")
    with pytest.raises(NewerData), shop.aggregates.edit(Stock, "tea"):
        raise AssertionError("there is nothing to edit")


def test_an_older_relay_passes_it_on(shop):
    deploy(shop, 2)
    sell(shop, pieces=1, each=12)
    shop.catalogue.types = EventTypes()

    @event_type("item.sold", types=shop.catalogue.types)
    class Bags(BaseModel):
        bags: int

    shop.relay.drain()
    assert shop.redis.xlen("penstock:topic:item:0") == 1


def test_a_version_that_no_release_has_is_refused_at_the_door(shop):
    """It would wait for ever."""
    shop.schemas.save("item.sold", 1, "item", Pieces.model_json_schema())
    event = Event(type="item.sold", data={"pieces": 1}, dataschema="urn:penstock:item.sold:2")
    _, problems = shop.catalogue.check(event)
    assert problems == [
        {"field": "dataschema", "problem": "item.sold has no version 2: its newest is 1"}
    ]
    shop.schemas.save("item.sold", 2, "item", Dozens.model_json_schema())
    assert shop.catalogue.check(event) == (event, [])  # at once, however fresh what is known was


def test_so_is_one_of_a_type_that_no_release_knows_or_that_this_process_has_a_class_of(shop):
    def problem_of(event: Event) -> str:
        with pytest.raises(InvalidEvents) as refused:
            shop.publisher.publish([event])
        return refused.value.problems[0]["problem"]

    sent = Event(type="item.sent", data={}, dataschema="urn:penstock:item.sent:9")
    assert problem_of(sent) == "item.sent has no version 9: it has no schema here"
    deploy(shop, 2)
    third = Event(type="item.sold", data={"pieces": 1}, dataschema="urn:penstock:item.sold:3")
    assert problem_of(third) == "item.sold has no version 3: its newest is 2"
    other = sent.but(dataschema="https://example.org/sent/9")
    assert shop.publisher.publish([other]) == [True]
    shop.schemas.save("item.sent", 9, "item", Pieces.model_json_schema())
    assert shop.publisher.publish([sent.but(id="2", data={"pieces": 1})]) == [True]
