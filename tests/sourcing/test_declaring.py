"""What an aggregate's class may say: mistakes in it are told when it is made, not by wrong state later."""

# ruff: noqa: RUF012 (an aggregate's start values are copied for each)
from __future__ import annotations

import logging
import re
from collections import deque
from functools import cached_property
from typing import ClassVar

import pytest

from app.sourcing.aggregate import Aggregate, NotApplied, applies
from app.sourcing.decider import Decider
from app.sourcing.kind import Kinds


@pytest.mark.parametrize("name", ["id", "version", "pending", "record", "saved_version", "kind"])
def test_a_field_that_would_take_the_place_of_an_aggregates_own_is_refused(name):
    with pytest.raises(TypeError, match=f"has a {name} of its own"):
        type("Order", (Aggregate,), {"__annotations__": {name: "str"}, name: "", "category": "o"})


def test_what_the_class_says_of_itself_is_no_field_with_or_without_a_type():
    class Parcel(Aggregate):
        category: str = "parcel"
        snapshot_every: int | None = 5
        private: bool = True
        weight: int = 0

    assert list(Parcel._fields) == ["weight"]
    assert (Parcel.kind().category, Parcel.kind().snapshot_every) == ("parcel", 5)


@pytest.mark.parametrize(
    ("name", "value"), [("items", []), ("last", deque()), ("_seen", {}), ("_all", [])]
)
def test_one_value_for_all_aggregates_is_refused(name, value):
    with pytest.raises(TypeError, match=f"{name} is one value for all.*ClassVar"):
        type("Basket", (Aggregate,), {name: value})


def test_a_list_with_a_type_that_no_field_has_is_refused_too():
    with pytest.raises(TypeError, match="_seen is one value for all"):

        class Basket(Aggregate):
            _seen: list[str] = []


def test_constants_and_what_works_things_out_are_allowed():
    class Basket(Aggregate):
        LARGEST = 5
        maximum = 5
        logger = logging.getLogger("baskets")
        pattern = re.compile("a")
        _RATES = {"a": 1}
        limits: ClassVar[dict[str, int]] = {"a": 1}
        items: list[str] = []

        class Line:
            pass

        @property
        def size(self):
            return len(self.items)

        @cached_property
        def worked_out(self):
            return 1

        @staticmethod
        def rate():
            return 1

        @classmethod
        def make(cls):
            return cls("1")

    assert list(Basket._fields) == ["items"]


@pytest.mark.parametrize(("name", "value"), [("seen", []), ("_seen", {})])
def test_one_value_for_all_of_a_class_that_is_mixed_in_is_refused(name, value):
    limited = type("Limited", (), {"limit": 3, "LIMITS": [3], name: value})
    with pytest.raises(TypeError, match=rf"Limited, which is mixed in.*ClassVar.*Limited\.{name}"):
        type("Basket", (limited, Aggregate), {})


def test_who_mixes_a_class_in_says_what_its_values_are():
    class Limited:
        seen = []
        _cache = {}
        limits: ClassVar[list[int]] = []

    class Basket(Limited, Aggregate):
        seen: list[str] = []
        _cache: ClassVar[dict[str, int]] = Limited._cache

    Basket("1").seen.append("red")
    assert Basket("2").seen == [] and list(Basket._fields) == ["seen"]


def test_fields_of_a_class_that_is_mixed_in_belong_to_one_aggregate_only():
    class Tagged:
        tags: list[str] = []

    class Basket(Tagged, Aggregate):
        pass

    Basket("1").tags.append("red")
    assert Basket("2").tags == [] and list(Basket._fields) == ["tags"]


class Base(Aggregate):
    category = "declaring"
    hits: list[str] = []

    @applies("target.hit")
    def _hit(self, event):
        self.hits.append("base")


def hits_of(cls: type[Base]) -> list[str]:
    one = cls("1")
    one.record("target.hit")
    return one.hits


def test_an_applying_method_that_is_overridden_takes_the_place_of_the_inherited_one():
    class Plain(Base):
        category = "declaring-plain"

        def _hit(self, event):
            super()._hit(event)
            self.hits.append("plain")

    class Marked(Base):
        category = "declaring-marked"

        @applies("target.hit")
        def _strike(self, event):
            self.hits.append("marked")

    class Other(Base):
        category = "declaring-other"

        @applies("target.missed")
        def _hit(self, event):
            raise AssertionError("it is of another type")

    assert hits_of(Base) == ["base"] and hits_of(Plain) == ["base", "plain"]
    assert hits_of(Marked) == ["marked"] and hits_of(Other) == ["base"]
    with pytest.raises(NotApplied):
        Plain("1").record("target.missed")


def test_two_classes_of_one_module_that_share_their_streams_are_named():
    class Another(Aggregate):
        category = "declaring"

    kinds = Kinds()
    for cls in (Base, Base, Another):
        kinds.register(cls.kind())
    (told,) = kinds.shared()
    assert "Base and " in told and "Another have one category, declaring" in told


def test_two_deciders_of_one_category_are_named():
    def more(state, event):
        return state

    def less(state, event):
        return state

    kinds = Kinds()
    for evolve in (more, more, less):
        kinds.register(Decider("declared", 0, lambda command, state: [], evolve).kind)
    (told,) = kinds.shared()
    assert "more and " in told and "less have one category, declared" in told
