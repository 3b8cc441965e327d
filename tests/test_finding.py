"""Finding anything on a real platform, on both databases."""

from __future__ import annotations

import pytest
import redis

from app.errors import Refused
from app.events.event import Event
from app.finding import BEGINS, EXACT, WITHIN, WORD, find, fit
from app.subscriptions.declaration import Subscription
from tests.support.platforms import platform
from tests.web.real_data import archived, parked

__all__ = ["platform"]


def kinds(found) -> list[tuple[str, str]]:
    return [(one.kind, one.id) for one in found.items]


def test_how_well_a_name_fits() -> None:
    assert fit("shop.handlers.charge", "shop.handlers.charge") == EXACT
    assert fit("shop.handlers.charge", "Shop.h") == BEGINS
    assert fit("shop.handlers.charge", "charge") == WORD
    assert fit("shop.handlers.charge", "charge shop") == WORD
    assert fit("shop.handlers.charge", "arg") == WITHIN
    assert fit("shop.handlers.charge", "charge mail") is None


@pytest.fixture
def filled(platform):
    platform.schemas.save("order.placed", 1, "order", {"type": "object"})
    handler = Subscription("shop.charge", ("order.placed",), lambda event, ctx: None)
    platform.subscription_store.declare([{**handler.describe(), "topics": ["order"]}])
    orders = [
        Event(type="order.placed", id=f"019a-{n}/'%_\"ü", subject=f"order {n}", data={"n": "x"},
              partitionkey="customer-1")
        for n in range(7)
    ]  # fmt: skip
    archived(platform, *orders, Event(type="order.placed", id="Ü" * 300, data={}))
    parked(platform, orders[0])
    return platform


def test_an_id_its_beginning_and_what_an_event_is_about(filled) -> None:
    whole = find(filled, "019a-3/'%_\"ü")
    assert kinds(whole)[:2] == [("run", "019a-3/'%_\"ü"), ("event", "019a-3/'%_\"ü")]
    assert kinds(find(filled, "019")) == []  # too much may begin so
    some = find(filled, "019a-")
    assert [one.kind for one in some.items] == ["run"] * 5 + ["event"] * 5
    assert kinds(find(filled, "019a-3/'_")) == []  # nothing in it is a pattern
    assert kinds(find(filled, " order 4 ")) == [("subject", "order 4")]
    assert kinds(find(filled, "customer-1")) == [("key", "customer-1")]
    assert {one.kind for one in find(filled, "Ü" * 300).items} == {"run", "event"}
    (letter,) = filled.dead_letters.find().items
    assert ("dead-letter", letter["id"]) in kinds(find(filled, letter["id"][:8]))
    assert ("group", letter["group"]) in kinds(find(filled, letter["group"]))
    replay = filled.replays.start({"dead_letters": [letter["id"]]}, {}, "user:admin")
    assert kinds(find(filled, replay))[0] == ("replay", replay)


def test_parts_of_names_the_best_first(filled) -> None:
    found = kinds(find(filled, "order"))
    assert found[0] == ("topic", "order")
    assert ("type", "order.placed") in found
    assert kinds(find(filled, "charge")) == [("subscription", "shop.charge")]
    assert find(filled, "nothing of the kind").items == []
    for words in ("", " ", "x" * 1001):
        with pytest.raises(Refused):
            find(filled, words)


def test_what_cannot_be_asked_is_said_and_the_rest_is_found(filled, monkeypatch) -> None:
    def away() -> None:
        raise redis.ConnectionError("Redis is away")

    monkeypatch.setattr(filled.topics, "names", away)
    found = find(filled, "019a-3")
    assert found.unasked == ["topics: Redis is away"]
    assert [one.kind for one in found.items] == ["run", "event"]
