"""A mistake in a declaration is an error when the module is imported, and says what to write."""

from __future__ import annotations

from importlib import import_module, reload

import pytest
from pydantic import BaseModel
from sqlmodel import Field, SQLModel

from app import command, on, projection, reactor
from app.cqrs.command import COMMANDS, Registry
from app.cqrs.declaration import Followers
from app.errors import Refused
from app.testing import InMemoryPlatform


class Base(SQLModel):
    metadata = type(SQLModel.metadata)()


class Rows(Base, table=True):
    __tablename__ = "test_declared"

    id: str = Field(primary_key=True)


class NoTable(SQLModel):
    id: str


class Asked(BaseModel):
    n: int


def takes_two(event, view):
    pass


def takes_one(event):
    pass


async def waits(event, view):
    pass


def yields(event, view):
    yield


@pytest.mark.parametrize(
    ("options", "function", "told"),
    [
        ({"tables": [NoTable]}, takes_two, "table=True"),
        ({"tables": ["rows"]}, takes_two, "table=True"),
        ({"types": ["Sold!"]}, takes_two, "a type is made of"),
        ({"types": [Asked]}, takes_two, "no event type"),
        ({"on_error": "ignore"}, takes_two, '"stop" or "skip"'),
        ({"name": "a list/9"}, takes_two, "don't fit into an address"),
        ({"name": ""}, takes_two, "don't fit into an address"),
        ({}, takes_one, r"takes \(event, view\)"),
        ({}, waits, "without async"),
        ({}, yields, "without async and without yield"),
    ],
)
def test_a_projection_that_can_not_work(options, function, told):
    wanted = {"name": "rows", "version": 1, "tables": [Rows], **options}
    with pytest.raises(Refused, match=told):
        projection(**wanted, followers=Followers())(function)


def test_one_type_and_one_table_may_be_given_as_themselves():
    followers = Followers()
    projection("rows", tables=Rows, types="item.sold", followers=followers)(takes_two)
    assert followers.declared["rows"].types == ("item.sold",)
    assert followers.declared["rows"].tables == (Rows,)


def test_two_projections_do_not_keep_the_same_table():
    followers = Followers()
    projection("rows", 1, [Rows], followers=followers)(takes_two)
    projection("rows", 2, [Rows], followers=followers)(takes_two)  # its own next version
    with pytest.raises(Refused, match="both keep test_declared"):
        projection("others", 1, [Rows], followers=followers)(takes_two)


@pytest.mark.parametrize(
    ("types", "options", "function", "told"),
    [
        (["Sold!"], {}, takes_two, "a type is made of"),
        (["item.sold"], {"emits": ["Wanted!"]}, takes_two, "a type is made of"),
        (["item.sold"], {"on_error": "ignore"}, takes_two, '"stop" or "skip"'),
        (["item.sold"], {"start": "yesterday"}, takes_two, '"earliest" or "now"'),
        (["item.sold"], {}, takes_one, r"takes \(event, view\)"),
        (["item.sold"], {}, waits, "without async"),
    ],
)
def test_a_reactor_that_can_not_work(types, options, function, told):
    with pytest.raises(Refused, match=told):
        reactor(*types, followers=Followers(), **options)(function)


@pytest.mark.parametrize("function", [takes_one, waits, yields])
def test_a_command_that_can_not_work(function):
    with pytest.raises(Refused, match=r"takes \(asked, ctx\)|without async"):
        command("item.sell", takes=Asked, registry=Registry())(function)


def test_two_modules_do_not_give_the_same_name(tmp_path, monkeypatch):
    """By the same function's name, too; one module that is imported twice is no second one."""
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("tea_shop", "pot_shop"):
        (tmp_path / f"{name}.py").write_text(
            "def sell(asked, ctx): ...\ndef sold(event, view): ..."
        )
    tea, pot = import_module("tea_shop"), import_module("pot_shop")
    commands, followers = Registry(), Followers()
    command("item.sell", takes=Asked, registry=commands)(tea.sell)
    reactor("item.sold", name="mail", followers=followers)(tea.sold)
    reload(tea)
    command("item.sell", takes=Asked, registry=commands)(tea.sell)
    reactor("item.sold", name="mail", followers=followers)(tea.sold)
    with pytest.raises(Refused, match=r"item\.sell: tea_shop\.sell and pot_shop\.sell"):
        command("item.sell", takes=Asked, registry=commands)(pot.sell)
    with pytest.raises(Refused, match=r"mail: tea_shop\.sold and pot_shop\.sold"):
        reactor("item.sold", name="mail", followers=followers)(pot.sold)


def test_a_command_is_no_handler_to_choose():
    @command("item.choose", takes=Asked)
    def choose(asked, ctx):
        pass

    try:
        with pytest.raises(Refused, match="is a command: those are always there"):
            InMemoryPlatform(handlers=[choose])
        InMemoryPlatform(handlers=[]).publish("order.placed", durable=True)
    finally:
        del COMMANDS.commands["item.choose"]


@pytest.mark.parametrize("bare", [on, projection, reactor])
def test_a_decorator_without_its_brackets(bare):
    with pytest.raises(Refused, match="name"):
        bare(takes_two)
