"""A tail tells what fits, at a pace, with the place to go on from; and confesses the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from app.bootstrap import Platform
from app.events.event import Event
from config.settings import Settings
from tests.web.conftest import Api
from tests.web.real_data import opened
from web import create_app, sse, tailing
from web.tailing import Tail, Wanted


class Hands:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def order(n: int) -> Event:
    return Event(type="order.placed", id=str(n), data={"n": n}, subject="a" if n % 2 else "b")


ANY = Wanted(None, None, None)


def told(messages: Iterator) -> list[tuple[str | None, object]]:
    found = [one for one in messages if one is not None]
    return [(one.event, json.loads(one.data) if one.data else None) for one in found]


def test_what_comes_too_fast_is_counted_and_the_count_is_told(monkeypatch) -> None:
    monkeypatch.setattr(tailing, "BURST", 3)
    hands, positions = Hands(), {"order": b"0"}

    def followed() -> Iterator[Event | None]:
        for n in range(20):
            positions["order"] = b"%d-0" % n
            yield order(n)
            hands.now += 0.01
        hands.now += 1
        yield None
        yield order(20)

    messages = list(Tail(ANY, 2, hands).messages(followed(), positions))
    shown = told(iter(messages))
    events = [body["id"] for kind, body in shown if kind == "event"]
    missed = sum(body["missed"] for kind, body in shown if kind == "missed")
    assert events == ["0", "1", "2", "20"]
    assert len(events) + missed == 21
    assert len(messages) >= 21, "whoever is gone is noticed only when something is sent"
    assert [one.id for one in messages if one and one.event == "event"][-2:] == [
        "order=2-0", "order=19-0",
    ]  # fmt: skip


def test_all_that_fits_is_sent_where_no_pace_is_asked_for() -> None:
    many = [order(n) for n in range(3000)]
    assert len(told(Tail(ANY, None, Hands()).messages(iter(many), {}))) == 3000
    some = Wanted("a", None, "data.n > 2990")
    ids = [body["id"] for _, body in told(Tail(some, None, Hands()).messages(iter(many), {}))]
    assert ids == ["2991", "2993", "2995", "2997", "2999"]
    keyed = [Event(type="x", partitionkey=key) for key in ("k", "l", None)]
    assert len(told(Tail(Wanted(None, "k", None), None).messages(iter(keyed), {}))) == 1


def test_in_silence_the_place_is_told_and_a_failing_expression_says_so() -> None:
    hands = Hands()
    (place, nothing) = Tail(ANY, 5, hands).messages(iter([None, None]), {"order": b"7-0"})
    assert place.encode() == b"id: order=7-0\n\n"
    assert nothing is None
    wanted = Wanted(None, None, "data.n > 'x'")
    kinds = told(Tail(wanted, 5, hands).messages(iter([order(1), order(2)]), {}))
    assert kinds[0][0] == "failed"
    assert "No such overload" in kinds[0][1]["problem"]


@pytest.fixture
def platform(redis_url: str, migrated_sqlite_url: str, tmp_path) -> Iterator[Platform]:
    platform = opened(Settings(data_dir=tmp_path, redis_url=redis_url, api_token="root",
                               database_url=migrated_sqlite_url, given_secret="s" * 40))  # fmt: skip
    yield platform
    platform.close()


def read(api: Api, query: str, count: int, **headers: str) -> tuple[list[str], str]:
    """Ids of so many events of the stream, and the id of the last message; then it is cut off."""
    answer = api.get(f"/events/stream?{query}", headers=headers)
    ids, last = [], ""
    for chunk in answer.iter_encoded():
        lines = dict(line.split(": ", 1) for line in chunk.decode().splitlines() if ": " in line)
        last = lines.get("id", last)
        if lines.get("event") == "event":
            ids.append(json.loads(lines["data"])["id"])
        if len(ids) == count:
            break
    answer.close()
    return ids, last


def test_who_comes_back_misses_none_and_sees_none_twice(platform, monkeypatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT", 0.0)
    api = Api(create_app(platform), "root")
    events, moment = platform.topics.newest()
    assert events == []
    seen: list[str] = []
    last = ""
    for turn in range(6):
        for n in range(turn * 5, turn * 5 + 5):
            type = ("order.placed", "parcel.sent", f"new{turn}.made")[n % 3]
            platform.publisher.publish([Event(type=type, id=str(n), data={"amount": 1.0})])
        query = f"most=50&since={moment - 1}"
        if turn % 2:  # as a script goes on, and as a browser does by itself
            ids, last = read(api, f"{query}&after={last}", 5)
        else:
            ids, last = read(api, query, 5, **({"Last-Event-ID": last} if last else {}))
        seen += ids
    assert sorted(seen, key=int) == [str(n) for n in range(30)]
    newest, _ = platform.topics.newest(["parcel.sent"], 100)
    assert [event.id for event in newest] == [
        "28",
        "25",
        "22",
        "19",
        "16",
        "13",
        "10",
        "7",
        "4",
        "1",
    ]
