"""A declaration that can't work is refused when its module is imported, with what to change."""

from __future__ import annotations

from typing import Any

import pytest

from app import on
from app.errors import Refused
from app.subscriptions.declaration import Handlers


def _plain(event, ctx):
    """A handler."""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lane": "fast"}, "no lane 'fast'; use default, inference, training"),
        ({"retry": 5}, "retry is a RetryPolicy"),
        ({"timeout": 0}, "timeout is in seconds"),
        ({"timeout": "60"}, "timeout is in seconds"),
        ({"batch": -1}, "batch is from 1 to 10000"),
        ({"batch": "many"}, "batch is from 1 to 10000"),
        ({"linger": 61}, "linger is from 0 to 60 seconds"),
        ({"priority": "urgent"}, "priority is low, normal or high"),
        ({"start": "yesterday"}, 'start is "earliest" or "now"'),
        ({"name": "a b"}, "characters that don't fit"),
        ({"filter": {"like": {}}}, "unknown filter 'like'"),
        ({"filter": {"exact": {}}}, "a mapping from attributes to values"),
        ({"filter": {"cel": "event.data.total >"}}, "the expression can't be read"),
        ({"filter": {"cel": "order.total > 1"}}, "a field of the data event.data.order"),
        ({"filter": {"cel": "event.subject.begins('a')"}}, "no function 'begins'"),
        ({"filter": {"cel": 5}}, "cel takes an expression as a text"),
        ({"emits": ["*"]}, "emits lists types by name"),
        ({"emits": ["two words"]}, "a type is made of"),
    ],
)
def test_what_can_not_work_is_refused(options: dict[str, Any], said: str):
    with pytest.raises(Refused, match=r"@on for .*_plain") as refused:
        on("order.placed", handlers=Handlers(), **options)(_plain)

    assert said in str(refused.value)


def test_a_handler_without_a_type_is_refused():
    with pytest.raises(Refused, match="at least one event type"):
        on(handlers=Handlers())(_plain)


def test_a_handler_takes_an_event_and_a_context():
    def forgets(event):
        """Without ctx."""

    with pytest.raises(Refused, match=r"takes \(event, ctx\)"):
        on("order.placed", handlers=Handlers())(forgets)


def test_a_handler_is_a_plain_function():
    async def waits(event, ctx):
        """Nobody would await it."""

    def yields(event, ctx):
        yield {}

    for function in (waits, yields):
        with pytest.raises(Refused, match="a plain function"):
            on("order.placed", handlers=Handlers())(function)


def test_two_handlers_can_not_share_a_name():
    handlers = Handlers()
    on("order.placed", name="check", handlers=handlers)(_plain)
    on("order.placed", name="check", handlers=handlers)(_plain)

    def other(event, ctx):
        """Another one."""

    with pytest.raises(Refused, match="two handlers are called check"):
        on("order.placed", name="check", handlers=handlers)(other)


def test_the_function_stays_what_it_was():
    assert on("order.placed", handlers=Handlers())(_plain) is _plain
