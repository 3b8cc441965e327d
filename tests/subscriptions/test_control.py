"""What operators change, and how it is undone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app import bootstrap
from app.bootstrap import Platform
from app.errors import Refused
from app.events.schema import EventTypes
from app.streams import control
from app.subscriptions.declaration import Handlers, on
from app.subscriptions.declare import declare
from app.subscriptions.retry import RetryPolicy
from config.settings import Settings

NAME = "shop.check"


@pytest.fixture
def platform(redis_url: str, migrated_sqlite_url: str, tmp_path: Path) -> Iterator[Platform]:
    handlers = Handlers()
    policy = RetryPolicy(attempts=3)
    on("order.placed", name=NAME, retry=policy, handlers=handlers)(lambda event, ctx: None)
    settings = Settings(data_dir=tmp_path, redis_url=redis_url, given_secret="x" * 32)
    made = bootstrap.build(settings, handlers=handlers, types=EventTypes())
    declare(made)
    yield made
    made.close()


def in_force(platform: Platform) -> control.Decision:
    return control.decision(platform.redis, NAME)


def test_a_part_of_a_policy_changes_that_part(platform: Platform) -> None:
    platform.subscriptions.update(NAME, {"retry": {"base": 0.5}}, "user:ann")
    assert in_force(platform).retry == {
        "attempts": 3, "base": 0.5, "cap": 300.0, "factor": 2.0, "jitter": True,
    }  # fmt: skip
    changed = platform.subscriptions.get(NAME)["changed"]
    assert changed["retry"]["code"]["base"] == 1.0


def test_null_lets_the_codes_value_count_again(platform: Platform) -> None:
    platform.subscriptions.update(NAME, {"retry": {"attempts": 9}, "rate": 5}, "user:ann")
    platform.subscriptions.update(NAME, {"retry": None, "rate": None}, "user:ann")
    assert platform.subscriptions.get(NAME)["changed"] == {}
    assert in_force(platform) == control.Decision()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"retry": {"tries": 3}}, "retry is a mapping"),
        ({"retry": {"attempts": 0}}, "attempts is at least 1"),
        ({"rate": 0}, "rate is a number above 0"),
        ({"concurrency": 1.5}, "whole number"),
        ({"filter": {"equals": {}}}, "unknown filter"),
        ({"filter": {"cel": "event.data >"}}, "can't be read"),
        ({"priority": "urgent"}, "priority is one of low, normal, high"),
        ({"priority": 2}, "priority is one of"),
        ({"lane": "fast"}, "lane is one of default, inference, training"),
        ({"lane": "system"}, "lane is one of"),
        ({"types": ["a.b"]}, "decided by the code"),
    ],
)
def test_a_value_that_cannot_work_is_refused(
    platform: Platform, change: dict[str, Any], says: str
) -> None:
    with pytest.raises(Refused, match=says):
        platform.subscriptions.update(NAME, change, "user:ann")
    assert in_force(platform) == control.Decision()


def test_lane_and_priority_are_in_force_and_told(platform: Platform) -> None:
    platform.subscriptions.update(NAME, {"lane": "inference", "priority": "low"}, "user:ann")
    assert (in_force(platform).lane, in_force(platform).priority) == ("inference", "low")
    told = platform.subscriptions.get(NAME)
    assert (told["lane"], told["priority"]) == ("inference", "low")
    assert told["changed"]["priority"] == {"code": "normal", "now": "low"}
    platform.subscriptions.update(NAME, {"lane": None, "priority": None}, "user:ann")
    assert in_force(platform) == control.Decision()


def test_penstocks_own_subscriptions_stay_in_their_lane(platform: Platform) -> None:
    on("penstock.settled", name="ours", lane="system", handlers=platform.handlers)(
        lambda event, ctx: None
    )
    declare(platform)
    with pytest.raises(Refused, match="system lane"):
        platform.subscriptions.update("ours", {"lane": "default"}, "user:ann")


def test_decisions_that_redis_lost_come_back(platform: Platform) -> None:
    platform.subscriptions.pause(NAME, "user:ann", "a look first")
    platform.redis.flushall()
    platform.subscriptions.mirror()
    assert in_force(platform).paused


def test_full_memory_keeps_no_decision_from_being_in_force(platform: Platform) -> None:
    """To resume and to skip are what makes room; what is declared again needs none."""
    platform.subscriptions.pause(NAME, "user:ann")
    version = control.version(platform.redis)
    platform.redis.config_set("maxmemory", 1)
    try:
        declare(platform)
        platform.subscriptions.resume(NAME, "user:ann")
        platform.subscriptions.rewind(NAME, "now", "user:ann")
    finally:
        platform.redis.config_set("maxmemory", 0)
    assert not in_force(platform).paused
    assert in_force(platform).skipped
    assert control.version(platform.redis) == version + 4
