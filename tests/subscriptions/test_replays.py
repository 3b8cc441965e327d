"""A replay sends nothing twice by accident."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app import bootstrap
from app.bootstrap import Platform
from app.errors import Conflict, NotFound, Refused
from app.events.arrival import Arrival
from app.events.event import Event
from app.events.ids import emitted_id, letter_id
from app.events.schema import EventTypes
from app.store import replay_work
from app.streams import keys
from app.subscriptions import replay_preparing, replays
from app.subscriptions.declaration import Handlers, on
from app.subscriptions.declare import declare
from app.subscriptions.replays import Replays
from app.subscriptions.rerun import rerun
from config.settings import Settings

NAME = "shop.check"


@pytest.fixture
def platform(redis_url: str, migrated_url: str, tmp_path: Path) -> Iterator[Platform]:
    handlers = Handlers()
    on("order.placed", name=NAME, effects="unsafe", handlers=handlers)(lambda event, ctx: None)
    on("payment.captured", name="shop.book", handlers=handlers)(lambda event, ctx: None)
    settings = Settings(
        data_dir=tmp_path, redis_url=redis_url, database_url=migrated_url, given_secret="x" * 32
    )
    made = bootstrap.build(settings, handlers=handlers, types=EventTypes())
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


def parked(platform: Platform, *numbers: int) -> list[str]:
    """Dead letters of as many events, in the order of their numbers."""
    ids = []
    for number in numbers:
        event = Event(type="order.placed", data={"n": number}).to_dict()
        delivery = {
            "event": {name: event[name] for name in ("id", "source", "type", "time")},
            "generation": 0, "attempt": 1, "state": "parked", "error": "ValueError: no",
            "published": 1.0, "started": 1.0, "ended": 1.0 + number,
            "letter": {"event": event, "reason": "exhausted", "group": "0" * 16, "frame": "",
                       "attempts": [{"at": 1.0, "error": "ValueError: no", "traceback": ""}],
                       "title": "ValueError: no", "code": "v1"},
        }  # fmt: skip
        record = {
            "subscription": NAME, "worker": "w", "at": 1.0, "counts": {}, "deliveries": [delivery],
        }  # fmt: skip
        platform.projection.apply_records([Event(type="penstock.settled", data=record)])
        ids.append(letter_id(event["source"], event["id"], NAME))
    return ids


GROUP = {"group": "0" * 16}
PREPARED = {"prepared_edits": True}


def test_edits_prepared_on_single_letters_go_with_the_replay_of_their_group(
    platform: Platform,
) -> None:
    ids = parked(platform, *range(5))
    patch = [{"op": "replace", "path": "/data/n", "value": 70}]
    platform.failures.prepare_edit(ids[2], patch, "user:ann")
    assert platform.replays.preview(GROUP, {})["edited"] == 0
    preview = platform.replays.preview(GROUP, PREPARED)
    assert (preview["total"], preview["edited"]) == (5, 1)
    (edit,) = preview["edits"]
    assert (edit["dead_letter"], edit["before"]["data"], edit["after"]["data"]) == (
        ids[2], {"n": 2}, {"n": 70},
    )  # fmt: skip
    assert edit["after"]["replayedfrom"] == edit["before"]["id"] == edit["after"]["causationid"]
    id = platform.replays.start(GROUP, PREPARED, "user:bob")
    whole = [item["whole"] and item["whole"]["data"] for item in platform.replays.items(id).items]
    assert whole == [None, None, {"n": 70}, None, None]
    letter = platform.dead_letters.get(ids[2])
    assert letter
    assert letter["event"]["data"] == {"n": 2}


def test_an_edit_that_does_not_fit_is_not_kept(platform: Platform) -> None:
    (id,) = parked(platform, 1)
    for patch in (
        [{"op": "remove", "path": "/data/missing"}],
        [{"op": "replace", "path": "/type", "value": "order.paid"}],
        [{"op": "replace", "path": "/data/n", "value": 1}],
    ):
        with pytest.raises(Refused):
            platform.failures.prepare_edit(id, patch, "user:ann")
    letter = platform.dead_letters.get(id)
    assert letter
    assert letter["edit"] is None


def test_a_large_replay_waits_for_a_second_person(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    parked(platform, 1, 2, 3)
    monkeypatch.setattr(
        platform, "settings", platform.settings.model_copy(update={"approve_above": 2})
    )
    assert platform.replays.preview(GROUP, {})["needs_approval"]
    id = platform.replays.start(GROUP, {"canary": 1}, "user:ann")
    platform.replays.advance()
    again = keys.again_stream(NAME, 0)
    assert (platform.replays.get(id)["state"], platform.redis.xlen(again)) == ("paused", 0)
    with pytest.raises(Conflict):
        platform.replays.resume(id, "user:bob")
    with pytest.raises(Refused):
        platform.replays.approve(id, "user:ann")
    platform.replays.approve(id, "user:bob")
    platform.replays.advance()
    found = platform.replays.get(id)
    assert (found["state"], found["approved_by"], platform.redis.xlen(again)) == (
        "canary", "user:bob", 1,
    )  # fmt: skip
    with pytest.raises(Conflict):
        platform.replays.approve(id, "user:cleo")


def test_past_events_are_chosen_by_an_expression(platform: Platform) -> None:
    events = [Event(type="order.placed", data={"n": n}) for n in range(4)]
    platform.archive.add([Arrival(e, "order", 0, f"1-{n}") for n, e in enumerate(events)])
    chosen = {"events": {"expression": "event.data.n > 1"}, "subscription": NAME}
    preview = platform.replays.preview(chosen, {})
    assert (preview["total"], preview["effects"]) == (2, {NAME: "unsafe"})
    short = {"events": {"expression": "data.n > 1 && data.n < 3"}, "subscription": NAME}
    assert platform.replays.preview(short, {})["total"] == 1
    lacking = {"events": {"expression": "data.missing > 1"}, "subscription": NAME}
    assert platform.replays.preview(lacking, {})["total"] == 0
    with pytest.raises(Refused, match="can't say whether it wants the event"):
        platform.replays.preview(
            {"events": {"expression": "event.data.n > 'x'"}, "subscription": NAME}, {}
        )


def test_a_preview_tells_what_follows_by_what_lately_did(platform: Platform) -> None:
    cause = Event(type="order.placed", data={})
    made = [
        Event(type="payment.captured", id=emitted_id(cause.source, cause.id, NAME, 0, n),
              correlationid=cause.id, causationid=cause.id)
        for n in range(2)
    ]  # fmt: skip
    other = Event(type="mail.sent", correlationid=cause.id, causationid=cause.id)
    arrivals = [
        Arrival(e, e.type.partition(".")[0], 0, f"1-{n}")
        for n, e in enumerate([cause, *made, other])
    ]
    platform.archive.add(arrivals)
    platform.projection.apply_events(arrivals)
    delivery = {
        "event": {"id": cause.id, "source": cause.source, "type": cause.type, "time": "2026-01-01"},
        "state": "succeeded", "published": 1.0, "started": 1.0, "ended": 2.0,
        "emitted": [one.id for one in made],
    }  # fmt: skip
    record = {
        "subscription": NAME, "worker": "w", "at": 1.0, "counts": {}, "deliveries": [delivery],
    }  # fmt: skip
    platform.projection.apply_records([Event(type="penstock.settled", data=record)])
    parked(platform, 1, 2, 3)
    down = platform.replays.preview(GROUP, {})["downstream"]
    assert down["emitted"] == [{"level": 1, "type": "payment.captured", "events": 6}]
    assert [
        (row["subscription"], row["deliveries"], row["effects"]) for row in down["handled"]
    ] == [("shop.book", 6, None)]


# -- long ones, whose lists are written in steps


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two items a step, and one step for each turn of the caretaker."""
    for module in (replay_work, replays, replay_preparing):
        monkeypatch.setattr(module, "STEP", 2)
    monkeypatch.setattr(replay_preparing, "SPELL", 0.0)


def ended(platform: Platform) -> None:
    """As if the process had died: another goes on, which knows nothing but what SQL has."""
    platform.replays = Replays(platform)


def test_a_long_list_is_written_in_steps_and_survives_a_restart(
    platform: Platform, steps: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = parked(platform, *range(7))
    id = platform.replays.start(GROUP, {"canary": 1}, "user:ann")
    late = parked(platform, 50)[0]
    platform.dead_letters.discard([ids[5]], "user:bob")
    again = keys.again_stream(NAME, 0)
    with pytest.raises(Conflict, match="is being prepared"):
        platform.replays.start({"dead_letters": [ids[6]]}, {}, "user:bob")
    with pytest.raises(Conflict, match="is preparing"):
        platform.replays.pause(id, "user:ann")
    platform.replays.advance()
    found = platform.replays.get(id)
    assert (found["state"], found["total"], found["pending"]) == ("preparing", 7, 2)
    assert platform.redis.xlen(again) == 0
    # A crash within a step: nothing of it is there afterwards.
    with monkeypatch.context() as broken:
        broken.setattr(replay_work, "item_row", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            platform.replays.advance()
    ended(platform)
    assert platform.replays.get(id)["pending"] == 2
    assert platform.dead_letters.count(state="replaying") == 2
    for _ in range(4):
        platform.replays.advance()
    found = platform.replays.get(id)
    assert (found["state"], found["total"], platform.redis.xlen(again)) == ("canary", 6, 1)
    listed = [item["dead_letter"] for item in platform.replays.items(id).items]
    assert listed == [one for one in ids if one != ids[5]]
    letter = platform.dead_letters.get(late)
    assert letter
    assert letter["state"] == "parked"


def test_a_long_one_is_cancelled_while_it_is_prepared_and_after(
    platform: Platform, steps: None
) -> None:
    ids = parked(platform, *range(9))
    for prepared in (2, 6):
        id = platform.replays.start(GROUP, {"rate": 0.001}, "user:ann")
        for _ in range(prepared):
            platform.replays.advance()
        state = "preparing" if prepared == 2 else "running"
        assert platform.replays.get(id)["state"] == state
        platform.replays.cancel(id, "user:ann")
        ended(platform)
        for _ in range(5):
            platform.replays.advance()
        found = platform.replays.get(id)
        sent = found["sent"]
        assert (found["state"], found["pending"] - sent) == ("cancelled", 0)
        assert platform.dead_letters.count() == 9 - sent
        assert platform.failures.group(GROUP["group"])["count"] == 9 - sent
        assert platform.replay_work.all() == []
    assert len(ids) == 9


def test_what_does_not_fit_ends_a_long_one_before_anything_is_sent(
    platform: Platform, steps: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = parked(platform, *range(5))
    patch = [{"op": "replace", "path": "/data/missing", "value": 1}]
    with pytest.raises(Refused):
        platform.replays.start(GROUP, {"edits": {ids[4]: patch}}, "user:ann")
    with pytest.raises(NotFound):
        platform.replays.start({"dead_letters": [*ids, "nobody's"]}, {}, "user:ann")
    assert platform.replays.find().items == []
    monkeypatch.setattr(platform.replays.preparing, "check", lambda *_: None)
    id = platform.replays.start(GROUP, {"edits": {ids[4]: patch}}, "user:ann")
    for _ in range(5):
        platform.replays.advance()
    found = platform.replays.get(id)
    assert found["state"] == "cancelled"
    assert "missing" in found["stopped"]
    assert platform.dead_letters.count() == 5


def test_many_past_events_are_those_of_the_moment_it_started(
    platform: Platform, steps: None
) -> None:
    events = [Event(type="order.placed", data={"n": n}) for n in range(7)]
    arrivals = [Arrival(e, "order", 0, f"1-{n}") for n, e in enumerate(events)]
    platform.archive.add(arrivals[:6])
    chosen = {"events": {"expression": "event.data.n != 3"}, "subscription": NAME}
    id = platform.replays.start(chosen, {"rate": 0.001}, "user:ann")
    platform.replays.advance()
    ended(platform)
    platform.archive.add(arrivals[6:])
    for _ in range(4):
        platform.replays.advance()
    assert platform.replays.get(id)["state"] == "running"
    numbers = [item["whole"]["data"]["n"] for item in platform.replays.items(id).items]
    assert numbers == [0, 1, 2, 4, 5]
