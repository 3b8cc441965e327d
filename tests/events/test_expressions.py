"""Filters in CEL: what they can say, what is refused when written, what fails on an event."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from app.errors import Refused
from app.events.event import Event
from app.events.expressions import LONGEST, FilterFailed
from app.events.filters import compile_filter, matches

DATA = {"total": 142, "rate": 0.5, "tags": ["a", "b"], "none": None, "lines": [{"price": 3}]}
ORDER = Event(
    type="order.placed",
    subject="ch/1",
    data=DATA,
    time=datetime(2026, 1, 31, tzinfo=UTC),
    extensions={"tenant": "blue"},
)


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("event.data.total > 100 && event.type == 'order.placed'", True),
        ("event.data.total > 142.5", False),
        ("event.data.total == 142.0", True),
        ("event.data.rate + 0.5 == 1.0", True),
        ("event.subject.startsWith('ch/')", True),
        ("event.subject.matches('^[a-z]+/[0-9]$')", True),
        ("event.tenant == 'blue'", True),
        ("event.partitionkey == null", True),
        ("has(event.data.nothing) && event.data.nothing == 1", False),
        ("event.data.none == null", True),
        ("'b' in event.data.tags && event.data.tags.size() == 2", True),
        ("event.data.lines.exists(line, line.price > 2)", True),
        ("event.data.lines.all(line, line.price > 3)", False),
        ("event.time < timestamp('2026-02-01T00:00:00Z')", True),
        ("event.data.total > 1000 || event.data.rate < 1.0", True),
    ],
)
def test_what_an_expression_says(expression: str, wanted: bool):
    assert matches({"cel": expression}, ORDER) is wanted
    assert matches({"not": {"cel": expression}}, ORDER) is not wanted


def test_it_stands_beside_the_other_forms():
    both = [{"exact": {"data.total": 142}}, {"cel": "event.data.rate < 1.0"}]

    assert matches(both, ORDER)
    assert not matches([{"exact": {"data.total": 41}}, {"cel": "true"}], ORDER)
    assert matches(
        {"any": [{"prefix": {"subject": "de/"}}, {"cel": "event.data.total > 1"}]}, ORDER
    )


def test_an_object_of_a_schema_is_read_by_its_fields():
    class Order(BaseModel):
        total: int

    assert matches({"cel": "event.data.total == 7"}, ORDER.but(data=Order(total=7)))


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("event.data.total >", "can't be read"),
        ("", "a text"),
        (None, "a text"),
        ("data.total > 1", "no variable 'data'"),
        ("total > 1", "event.data.total"),
        ("event.subject.begins('a')", "no function 'begins'"),
        ("(" * 1000 + "true" + ")" * 1000, "can't be read"),
        ("true || " * LONGEST + "true", "at most 4,000 characters"),
    ],
)
def test_what_is_wrong_is_refused_when_it_is_written(expression: Any, said: str):
    with pytest.raises(Refused) as refused:
        compile_filter({"cel": expression})

    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("event.data.nothing > 1", "the event has no 'nothing': ask has(…) first"),
        ("event.data.tags > 1", "No such overload"),
        ("1 / (event.data.total - 142) > 0", "division by zero"),
        ("event.data.total * 9223372036854775807 > 0", "overflow"),
        ("event.data.total", "gave 142"),
        ("event.data.none", "gave None"),
    ],
)
def test_what_fails_on_an_event_is_told(expression: str, said: str):
    with pytest.raises(FilterFailed) as failed:
        matches({"cel": expression}, ORDER)

    assert expression in str(failed.value)
    assert said in str(failed.value)


@pytest.mark.parametrize("data", [None, "text", 2**80, -(2**63), float("inf"), [], {}, {"a": {}}])
def test_no_data_stops_a_worker(data: Any):
    """An answer, or a failure that parks the delivery; nothing that ends the process."""
    for expression in ("event.data.total > 1", "event.data > 1", "event.data[0] == -event.data"):
        with suppress(FilterFailed):
            assert matches({"cel": expression}, ORDER.but(data=data)) in (True, False)
