"""Commands that are carried out at once for one aggregate are all done."""

from __future__ import annotations

import threading
from itertools import count

import pytest
from pydantic import BaseModel

from app import Aggregate, applies, command
from app.cqrs import deciding
from app.cqrs.command import Registry
from app.cqrs.commands import Commands
from app.errors import Unavailable
from app.events.event import Event
from app.store.eventstore.recorded import VersionConflict, Winner

PUT = {"may": ["operator"]}


class Shelf(Aggregate):
    pieces: int = 0

    def put(self) -> None:
        self.record("shelf.filled", {})

    @applies("shelf.filled")
    def _filled(self, event) -> None:
        self.pieces += 1


class Put(BaseModel):
    version: int | None = None


@pytest.fixture
def commands(platform) -> Commands:
    """On PostgreSQL the first three have all read before one of them writes."""
    registry, meeting, runs = Registry(), threading.Barrier(3), count()

    @command("shelf.put", takes=Put, registry=registry)
    def put(asked, ctx):
        if asked.version is not None:
            return ctx.append("shelf:a", Event(type="shelf.filled", data={}), asked.version)
        with ctx.edit(Shelf, "a") as shelf:
            if not platform.database.on_sqlite and next(runs) < 3:
                meeting.wait(60)
            shelf.put()
        return shelf.pieces

    return Commands(platform, registry)


def given(commands: Commands, number: int, **asked) -> Event:
    data = {
        "command": "shelf.put",
        "asked": asked,
        "actor": "user:ann",
        **PUT,
        "key": f"k-{number}",
    }
    return Event(type="command.given", id=f"id-{number}", source="/commands", data=data)


def test_each_is_decided_on_what_is_there_then(commands, platform):
    told: list[dict] = []
    threads = [
        threading.Thread(target=lambda n=n: told.append(commands.carry_out(given(commands, n))))
        for n in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted((one["state"], one["answer"]) for one in told) == [
        ("done", 1), ("done", 2), ("done", 3),
    ]  # fmt: skip
    assert platform.event_store.version("shelf:a") == 3


def test_a_version_of_the_clients_own_is_a_conflict(commands, platform):
    platform.event_store.append("shelf:a", Event(type="shelf.filled", data={}), actor="user:bob")
    told = commands.carry_out(given(commands, 1, version=0))
    assert (told["state"], told["problem"]["kind"]) == ("refused", "conflict")
    assert "user:bob appended shelf.filled" in told["problem"]["detail"]


def test_who_loses_each_time_may_try_again():
    versions = count()

    def beaten() -> None:
        version = next(versions)
        raise VersionConflict("shelf:a", version, version + 1, Winner(None, None, None))

    with pytest.raises(Unavailable, match="shelf:a was changed"):
        deciding.again(beaten)
    assert next(versions) == deciding.TRIES
