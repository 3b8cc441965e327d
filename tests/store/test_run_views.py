"""Runs as they are looked for and looked at: by key and data, stuck ones, beside a good one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import NotFound, Refused
from app.store.data_match import DataMatch
from app.store.run_comparison import compare
from app.store.run_usual import ENOUGH
from tests.store.stories import arrival, declared, delivery, event, record

VALUES = ("", "42", "a=b", "true", "x.y", "ü")


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers() | st.booleans() | st.sampled_from(VALUES))
)
def test_a_condition_holds_where_the_data_says_so(data):
    for name, value in data.items():
        text = value if isinstance(value, str) else str(value).lower()
        if text == text.strip():
            assert DataMatch.parse(f"data.{name}={text}").holds(data)
            assert not DataMatch.parse(f"{name}={text}x").holds(data)


def test_a_condition_leads_through_objects_and_lists():
    data = {"customer": {"id": 42}, "items": [{"sku": "a"}]}
    assert DataMatch.parse("customer.id=42").holds(data)
    assert DataMatch.parse("items.0.sku = a").holds(data)
    assert not DataMatch.parse("items.1.sku=a").holds(data)
    assert not DataMatch.parse("customer=42").holds(None)


@pytest.mark.parametrize("text", ["customer", "=42", "a..b=1", ""])
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(Refused, match="no condition"):
        DataMatch.parse(text)


def happen(store, id, at=0.0, took=1.0, state="succeeded", **more):
    """A run of one event that one subscription had."""
    placed = event(id, at=at, **more)
    store.archive.add([arrival(placed)])
    store.projection.apply_events([arrival(placed)])
    if state:
        told = delivery(placed, state, started=at, took=took)
        store.projection.apply_records([record(told, id=f"r-{id}-{state}")])


def ids(page):
    return [run["correlationid"] for run in page.items]


@pytest.fixture
def orders(store):
    store.subscriptions.declare([declared()])
    for n in range(30):
        happen(store, f"o{n:02}", at=n, data={"customer": {"id": n % 10}}, partitionkey=f"k{n % 3}")
    return store


def test_runs_are_found_by_the_key_and_the_data_of_their_root(orders):
    assert ids(orders.runs.find(key="k1", limit=3)) == ["o28", "o25", "o22"]
    assert ids(orders.runs.find(data="customer.id=4")) == ["o24", "o14", "o04"]
    assert ids(orders.runs.find(data="customer.id=4", key="k0")) == ["o24"]
    assert ids(orders.runs.find(data="customer.id=44")) == []


def test_a_search_by_data_goes_on_where_it_stopped(orders):
    page = orders.runs.find(data="customer.id=4", limit=2)
    assert ids(page) == ["o24", "o14"]
    page = orders.runs.find(data="customer.id=4", limit=2, cursor=page.next)
    assert ids(page) == ["o04"]
    assert page.next is None


def test_a_run_is_stuck_when_it_goes_on_for_longer_than_its_kind(orders, clock):
    happen(orders, "slow", at=40, state=None)
    clock.time += 45
    assert orders.runs.stuck() == []
    clock.time += 6
    assert ids(orders.runs.find(state="stuck")) == ["slow"]
    found = orders.runs.get("slow")
    assert found["stuck"] and found["usual"] == pytest.approx(1.0)


def test_where_nothing_is_usual_yet_a_run_is_stuck_after_ten_minutes(store, clock):
    store.subscriptions.declare([declared()])
    for n in range(ENOUGH - 1):
        happen(store, f"o{n}", at=n)
    happen(store, "slow", at=20, state=None)
    clock.time += 600
    assert store.runs.stuck() == []
    clock.time += 21
    assert [run["correlationid"] for run in store.runs.stuck()] == ["slow"]


def test_a_run_is_compared_with_the_last_good_one(orders):
    happen(orders, "bad", at=50, took=3.0, state="parked")
    found = orders.runs.compare("bad")
    assert found["other"]["correlationid"] == "o29"
    (step,) = found["steps"]
    assert (step["this"]["state"], step["other"]["state"]) == ("parked", "succeeded")
    assert step["this"]["handled"] == pytest.approx(3.0)
    assert orders.runs.compare("bad", "o01")["other"]["correlationid"] == "o01"
    with pytest.raises(NotFound):
        orders.runs.compare("bad", "nobody")


def test_without_a_good_one_there_is_nothing_to_compare_with(store):
    store.subscriptions.declare([declared()])
    happen(store, "bad", state="parked")
    with pytest.raises(NotFound, match=r"No other run that began with order\.placed"):
        store.runs.compare("bad")


def test_steps_that_only_one_has_stand_alone():
    def step(type):
        return {"event": "e", "type": type, "subscription": "s", "state": "succeeded",
                "attempts": 1, "published": None, "started": None, "ended": None,
                "error": None}  # fmt: skip

    rows = compare({"steps": [step("a"), step("a")]}, {"steps": [step("a"), step("b")]})
    assert [(r["type"], bool(r["this"]), bool(r["other"])) for r in rows] == [
        ("a", True, True), ("a", True, False), ("b", False, True),
    ]  # fmt: skip


def test_an_export_has_every_event(orders):
    found = orders.runs.export("o03")
    assert [one["id"] for one in found["events"]] == ["o03"]
    assert found["run"]["steps"][0]["subscription"] == "shop.charge"
    assert orders.runs.export("nobody") is None


def test_what_a_run_left_parked(orders):
    happen(orders, "bad", at=50, state="parked")
    assert [one["event"]["id"] for one in orders.dead_letters.of_run("bad")] == ["bad"]
