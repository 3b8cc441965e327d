"""A replay sends nothing twice by accident."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app import bootstrap
from app.bootstrap import Platform
from app.errors import Conflict, NotFound
from app.events.arrival import Arrival
from app.events.event import Event
from app.events.ids import letter_id
from app.events.schema import EventTypes
from app.store.migrate import upgrade_all
from app.subscriptions.declaration import Handlers, on
from app.subscriptions.declare import declare
from app.subscriptions.rerun import rerun
from config.settings import Settings

NAME = "shop.check"


@pytest.fixture
def platform(redis_url: str, tmp_path: Path) -> Iterator[Platform]:
    handlers = Handlers()
    on("order.placed", name=NAME, handlers=handlers)(lambda event, ctx: None)
    settings = Settings(data_dir=tmp_path, redis_url=redis_url, given_secret="x" * 32)
    made = bootstrap.build(settings, handlers=handlers, types=EventTypes())
    upgrade_all(made.database, made.archive_database)
    declare(made)
    yield made
    made.close()


@pytest.fixture
def letter(platform: Platform) -> str:
    """A parked event's dead letter."""
    event = Event(type="order.placed", data={"n": 1}).to_dict()
    failed = {"at": 1.0, "error": "ValueError: no", "traceback": ""}
    delivery: dict[str, Any] = {
        "event": {name: event[name] for name in ("id", "source", "type", "time")},
        "generation": 0, "attempt": 1, "state": "parked",
        "published": 1.0, "started": 1.0, "ended": 1.0, "error": "ValueError: no",
        "letter": {"event": event, "reason": "exhausted", "attempts": [failed],
                   "group": "0" * 16, "title": "ValueError: no", "frame": ""},
    }  # fmt: skip
    counts = {"succeeded": 0, "retrying": 0, "parked": 1, "excluded": 0}
    nothing = {"sum": 0.0, "max": 0.0}
    record = {
        "subscription": NAME, "lane": "default", "worker": "w", "tracking": "run", "at": 1.0,
        "counts": counts, "waited": nothing, "worked": nothing, "deliveries": [delivery],
    }  # fmt: skip
    platform.projection.apply_records([Event(type="penstock.settled", data=record)])
    return letter_id(event["source"], event["id"], NAME)


def test_a_parked_event_is_sent_once_to_its_subscription(platform: Platform, letter: str) -> None:
    id = platform.replays.start({"dead_letters": [letter]}, {}, "user:ann")
    platform.replays.advance()
    platform.replays.advance()
    assert platform.redis.xlen(f"penstock:again:{NAME}:0") == 1
    assert platform.replays.get(id)["pending"] == 1


def test_what_is_being_replayed_is_not_replayed_beside_it(platform: Platform, letter: str) -> None:
    platform.replays.start({"dead_letters": [letter]}, {}, "user:ann")
    with pytest.raises(Conflict, match="being replayed already"):
        platform.replays.start({"dead_letters": [letter]}, {}, "user:ann")


def test_what_was_put_away_is_not_sent_by_its_id(platform: Platform, letter: str) -> None:
    platform.dead_letters.discard([letter], "user:ann", "no use")
    with pytest.raises(Conflict, match="is discarded already"):
        platform.replays.start({"dead_letters": [letter]}, {}, "user:ann")


def test_a_parked_step_is_run_again_as_its_dead_letter(platform: Platform, letter: str) -> None:
    found = platform.dead_letters.get(letter)
    assert found
    event = found["event"]["id"]
    id = rerun(platform, event, event, NAME, "user:ann", "mended")
    replay = platform.replays.get(id)
    assert (replay["selection"], replay["total"]) == ({"dead_letters": [letter]}, 1)
    assert platform.audit.find(action="replay.started").items[0]["actor"] == "user:ann"


def test_a_step_that_succeeded_is_run_again_as_a_past_event(platform: Platform) -> None:
    event = Event(type="order.placed", data={"n": 1})
    arrived = Arrival(event, "order", 0, "1700000000000-0")
    platform.archive.add([arrived])
    platform.projection.apply_events([arrived])
    with pytest.raises(Conflict, match="has not settled this event yet"):
        rerun(platform, event.id, event.id, NAME, "user:ann")
    platform.projection.cancel_waiting(NAME)
    id = rerun(platform, event.id, event.id, NAME, "user:ann")
    assert platform.replays.get(id)["total"] == 1
    with pytest.raises(NotFound):
        rerun(platform, event.id, event.id, "shop.other", "user:ann")
