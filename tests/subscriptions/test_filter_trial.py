"""A filter is tried on past events, and nothing changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from app import bootstrap
from app.errors import Refused
from app.events.arrival import Arrival
from app.events.event import Event
from app.events.schema import EventTypes
from app.subscriptions import rewind_preview as preview
from app.subscriptions.declaration import Handlers, on
from app.subscriptions.declare import declare
from app.subscriptions.filter_trial import try_filter
from app.subscriptions.rewind_preview import rewind_preview
from config.settings import Settings


def test_a_filter_is_tried_on_the_last_events(
    redis_url: str, migrated_sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers = Handlers()
    few = {"exact": {"data.country": "CH"}}
    on("order.placed", name="shop.check", filter=few, handlers=handlers)(lambda event, ctx: None)
    settings = Settings(data_dir=tmp_path, redis_url=redis_url, given_secret="x" * 32)
    platform = bootstrap.build(settings, handlers=handlers, types=EventTypes())
    declare(platform)
    data = [{"country": "CH", "total": n} for n in range(3)] + [{"country": "IT"}] * 2
    events = [Event(type="order.placed", data=each) for each in data]
    events.append(Event(type="order.paid", data={"total": 100}))
    platform.archive.add(
        [Arrival(event, "order", 0, f"1700000000000-{n}") for n, event in enumerate(events)]
    )
    found = try_filter(platform, "shop.check", {"exact": {"data.country": "IT"}})
    assert (found["looked"], found["passed_now"], found["would_pass"]) == (5, 3, 2)
    assert (found["gain"], found["lose"]) == (2, 3)
    assert {one["id"] for one in found["gained"]} == {event.id for event in events[3:5]}
    found = try_filter(platform, "shop.check", {"cel": "event.data.total > 0"})
    assert (found["would_pass"], found["failed"]) == (2, 2)
    assert "total" in found["problem"]
    assert try_filter(platform, "shop.check", None)["would_pass"] == 5
    row = platform.subscriptions.get("shop.check")
    told = {"events": 5, "more": False, "looked": 5, "passed": 3}
    assert rewind_preview(platform, row) == told
    assert rewind_preview(platform, {**row, "filter": None}) == told | {"passed": 5}
    assert rewind_preview(platform, {**row, "types": ["*"]}) == told | {"events": 6, "looked": 6}
    assert rewind_preview(platform, row, platform.clock.now() + 60)["events"] == 0
    monkeypatch.setattr(preview, "MOST", 4)
    monkeypatch.setattr(preview, "LOOKED_AT", 2)
    told = rewind_preview(platform, row)
    assert (told["events"], told["more"], told["looked"]) == (4, True, 2)
    with pytest.raises(Refused):
        try_filter(platform, "shop.check", {"nonsense": {}})
    assert platform.subscription_store.get("shop.check")["filter"] == few
    platform.close()
