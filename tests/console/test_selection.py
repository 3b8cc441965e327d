"""What a form chose is what is previewed, confirmed and sent."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from werkzeug.datastructures import MultiDict

from app.errors import Refused
from web.console.selection import read_options, read_selection
from web.console.traits import Trait, shared_traits


def form(*pairs: tuple[str, str]) -> MultiDict[str, str]:
    return MultiDict(list(pairs))


def test_ticked_letters() -> None:
    choice = read_selection(form(("scope", "selected"), ("id", "a"), ("id", "b"), ("id", "")))
    assert choice.selection == {"dead_letters": ["a", "b"]}
    assert choice.words == "2 chosen dead letters"
    assert read_selection(form(*choice.fields)).selection == choice.selection


def test_a_group_ignores_what_is_ticked() -> None:
    choice = read_selection(form(("scope", "group"), ("group", "g"), ("id", "a")))
    assert choice.selection == {"group": "g"}
    assert read_selection(form(*choice.fields)).selection == choice.selection


def test_a_filters_window_is_fixed_when_it_is_previewed(app: Flask) -> None:
    with app.test_request_context():
        first = read_selection(form(("scope", "filter"), ("q", "timeout"), ("since", "1h")))
    with app.test_request_context():
        again = read_selection(form(*first.fields))
    assert first.selection == again.selection
    assert first.selection["filter"]["q"] == "timeout"
    assert first.selection["filter"]["since"].endswith("Z")


@pytest.mark.parametrize(
    "fields",
    [[], [("scope", "selected")], [("scope", "group")], [("scope", "all")]],
)
def test_an_empty_choice_is_refused(fields: list[tuple[str, str]]) -> None:
    with pytest.raises(Refused):
        read_selection(form(*fields))


def test_options() -> None:
    found = read_options(form(("canary", "10"), ("rate", "20"), ("stop", "5"), ("reason", " why ")))
    assert found == {"canary": 10, "rate": 20.0, "stop_above": 0.05, "reason": "why"}
    assert read_options(form(("canary", "0"), ("rate", ""), ("stop", ""))) == {}
    assert read_options(form(("stop", "0"))) == {"stop_above": 0.0}


@pytest.mark.parametrize(
    "field", [("canary", "ten"), ("canary", "-1"), ("rate", "nan"), ("stop", "101")]
)
def test_a_number_that_can_not_be_is_refused(field: tuple[str, str]) -> None:
    with pytest.raises(Refused, match=field[0]):
        read_options(form(field))


def letter(**data: Any) -> dict[str, Any]:
    return {"reason": "exhausted", "event": {"type": "order.placed", "source": "s", "data": data}}


def test_what_most_members_share_is_told_the_widest_first() -> None:
    letters = [letter(host="a", n=i, deep={"er": "x"}) for i in range(9)] + [letter(host="b", n=9)]
    found = shared_traits(letters)
    assert Trait("type", "order.placed", 1.0) in found
    assert Trait("data.host", "a", 0.9) in found
    assert Trait("data.deep.er", "x", 0.9) in found
    assert "data.n" not in {trait.name for trait in found}


def test_one_member_shares_nothing() -> None:
    assert shared_traits([letter(host="a")]) == []
    assert shared_traits([letter(x=[1]), {"reason": "killed", "event": {"data": "text"}}]) == []
