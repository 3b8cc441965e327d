"""A type that changed without an upcaster is found before its old events can't be read."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from app.errors import Refused
from app.events.evolution import problems
from app.events.schema import EventTypes, event_type, upcast


class First(BaseModel):
    """What it was."""

    amount: int
    note: str = ""


class Described(BaseModel):
    """Other words, and a field with a default: reads all that was."""

    amount: int
    note: str = ""
    currency: str = "EUR"


class Broken(BaseModel):
    amount: str
    currency: str


STORED = [{"type": "order.placed", "version": 1, "schema": First.model_json_schema()}]


def found(model, version=1, upcasters=()):
    types = EventTypes()
    event_type("order.placed", version=version, types=types)(model)
    for step in upcasters:
        upcast("order.placed", step, types=types)(dict)
    return problems(types, STORED)


def test_what_still_reads_old_data_is_fine():
    assert found(First) == []
    assert found(Described) == []


def test_what_does_not_is_named_with_its_cure():
    told = "\n".join(found(Broken))
    assert "the field note is gone" in told
    assert "the field currency is new and required" in told
    assert "the field amount is of another type" in told
    assert 'version=2, and write @upcast("order.placed", 1)' in told


def test_every_step_to_the_newest_version_needs_its_upcaster():
    assert found(Broken, version=3, upcasters=(1, 2)) == []
    assert found(Broken, version=3, upcasters=(1,)) == [
        'order.placed version 1 can\'t be read as 3: write @upcast("order.placed", 2).'
    ]


def test_types_of_other_processes_are_left_alone():
    assert problems(EventTypes(), STORED) == []


def test_a_declaration_that_can_not_work_is_refused():
    types = EventTypes()
    for version in ("2", 0, True, 1.5):
        with pytest.raises(Refused, match="whole number from 1 on"):
            event_type("order.placed", version=version, types=types)
        with pytest.raises(Refused, match="whole number from 1 on"):
            upcast("order.placed", version, types=types)
    with pytest.raises(Refused, match="class of pydantic"):
        event_type("order.placed", types=types)(dict)
    upcast("order.placed", 1, types=types)(dict)
    upcast("order.placed", 1, types=types)(dict)  # a module that is imported twice
    with pytest.raises(Refused, match="Keep one of them"):
        upcast("order.placed", 1, types=types)(list)
