"""Alerts on real SQL: raised, told, acknowledged, muted, resolved; and broken rules say so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from app.alerts.alerts import Alerts
from app.alerts.events import AlertRaised, AlertResolved
from app.alerts.rule import DEFAULTS, MEASURES, changed
from app.alerts.words import summary
from app.errors import Conflict, NotFound, Refused, Unavailable
from app.store import migrate
from app.store.audit import Audit
from app.store.database import open_databases
from app.testing.clock import FakeClock


class Publisher:
    """Keeps what is published; refuses while it is away."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.away = False

    def publish(self, events: Any) -> list[bool]:
        if self.away:
            raise Unavailable("away")
        self.events += events
        return [True] * len(events)

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(event.type, event.subject) for event in self.events]


class World:
    """A platform with real SQL for the alerts, and readings that a test sets."""

    def __init__(self, url: str, folder: Path):
        self.database, archive = open_databases(url, f"sqlite:///{folder / 'archive.db'}")
        migrate.upgrade_all(self.database, archive)
        archive.dispose()
        self.clock = FakeClock(1_800_000_000.0)
        self.audit = Audit(self.database, self.clock)
        self.publisher = Publisher()
        self.changes = SimpleNamespace(announce=lambda *what: None)
        self.parked: dict[str, int] = {}
        self.oldest = 0.0
        self.paused = False
        self.broken = False
        self.alive = True
        self.dead_letters = SimpleNamespace(parked=self._parked)
        self.subscriptions = SimpleNamespace(list=self._subscriptions)
        self.runs = SimpleNamespace(oldest_open=dict)
        self.stream_topics = SimpleNamespace(describe=lambda: [])
        self.redis = SimpleNamespace(zcount=lambda *a: 0)
        self.workers = SimpleNamespace(list=lambda: [{"alive": self.alive, "lanes": ["default"]}])
        self.stopped: list[dict[str, Any]] = []
        self.projections = SimpleNamespace(stopped=lambda: self.stopped)
        self.held: dict[str, Any] = {"refused": 0, "relay": {"seconds": 0.0}}
        self.outgoing = SimpleNamespace(status=lambda: self.held)
        self.alerts = Alerts(self)

    def _parked(self) -> dict[str, int]:
        if self.broken:
            raise Unavailable("the database is away")
        return self.parked

    def _subscriptions(self) -> list[dict[str, Any]]:
        return [{"name": "shop.charge", "active": True, "lane": "default", "oldest": self.oldest,
                 "paused": {"by": "x"} if self.paused else None,
                 "recent": {"done": 10, "failed": 0}}]  # fmt: skip

    def after(self, seconds: float, every: float = 20.0) -> None:
        end = self.clock.now() + seconds
        while self.clock.now() < end:
            self.clock.advance(every)
            self.alerts.evaluate()


@pytest.fixture
def world(migrated_sqlite_url: str, tmp_path: Path) -> Iterator[World]:
    world = World(migrated_sqlite_url, tmp_path)
    yield world
    world.database.dispose()


def test_on_postgresql_too(postgres_url: str, tmp_path: Path) -> None:
    world = World(postgres_url, tmp_path)
    world.parked = {"shop.charge": 50}
    world.after(5)
    Alerts(world).evaluate()
    (alert,) = world.alerts.up()
    world.alerts.mute("late", "user:ada", world.clock.now() + 60)
    world.alerts.set_rule("parked", {"above": 60}, "user:ada")
    world.alerts.acknowledge(alert["id"], "user:ada", "seen")
    world.parked = {}
    world.after(5)
    assert [type for type, _ in world.publisher.told] == ["alert.raised", "alert.resolved"]
    world.database.dispose()


def test_a_projection_that_stays_stopped_is_raised(world: World) -> None:
    world.stopped = [{"name": "my sales"}]
    world.after(60)
    (alert,) = world.alerts.up()
    assert (alert["severity"], alert["page"]) == ("critical", "/projections/my%20sales")
    assert (
        alert["summary"] == "my sales is stopped or held up, and its rows or its answers get late"
    )
    world.stopped = []
    world.after(60)
    assert world.alerts.up() == []


def test_an_outbox_that_does_not_drain_and_what_its_topic_refuses_are_raised(world: World) -> None:
    world.held = {"refused": 1, "relay": {"seconds": 90.0}}
    world.after(60)
    refused, late = sorted(world.alerts.up(), key=lambda alert: alert["rule"])
    assert refused["summary"] == "the topics refuse 1 committed event, which no subscription gets"
    assert late["summary"] == "what was committed waits for the relay since 90 s (over 60 s)"
    assert (late["severity"], late["page"], refused["page"]) == ("critical", "/outbox", "/outbox")
    world.held = {"refused": 0, "relay": {"seconds": 0.4}}
    world.after(60)
    assert world.alerts.up() == []


def test_a_lag_that_lasts_is_raised_told_and_resolved(world: World) -> None:
    world.oldest = 90
    world.after(100)
    assert world.publisher.told == []
    world.after(60)
    assert world.publisher.told == [("alert.raised", "shop.charge")]
    (alert,) = world.alerts.up()
    assert alert["summary"] == "shop.charge is 90 s behind (over 60 s)"
    AlertRaised.model_validate(world.publisher.events[0].data)
    world.oldest = 40
    world.after(300)
    assert len(world.publisher.told) == 1
    assert world.alerts.up()[0]["summary"] == "shop.charge is 40 s behind (was over 60 s)"
    world.oldest = 0
    world.after(70)
    assert world.publisher.told[1:] == [("alert.resolved", "shop.charge")]
    AlertResolved.model_validate(world.publisher.events[1].data)
    assert world.alerts.up() == []
    assert world.alerts.get(alert["id"])["worst"] == 90
    assert world.publisher.events[1].correlationid == world.publisher.events[0].id


@pytest.mark.parametrize("measure", MEASURES)
def test_what_is_well_again_but_not_for_long_is_not_said_to_fail(measure: str) -> None:
    told = summary(measure, "shop.charge", 0.0, DEFAULTS["failing"].above)
    assert "was over" in told and not any(char.isdigit() for char in told.partition(" (was")[0])
    assert "over" not in summary(measure, "x", 0.0, 0.0)
    assert summary(measure, "shop.charge", 7.0, 1.0) != told


def test_what_is_paused_on_purpose_is_not_late(world: World) -> None:
    world.oldest, world.paused = 9000, True
    world.after(300)
    assert world.publisher.told == []


def test_what_cant_be_read_proves_nothing(world: World) -> None:
    world.parked = {"shop.charge": 50}
    world.after(5)
    assert world.publisher.told == [("alert.raised", "shop.charge")]
    world.broken, world.parked = True, {}
    world.after(120)
    assert len(world.publisher.told) == 1
    world.broken = False
    world.after(5)
    assert len(world.publisher.told) == 2


def test_two_judges_raise_once(world: World) -> None:
    other = Alerts(world)
    world.parked = {"shop.charge": 50}
    world.after(5)
    other.evaluate()
    world.after(5)
    assert len(world.publisher.told) == 1
    assert len(world.alerts.find().items) == 1


def test_what_could_not_be_told_is_told_later_and_in_order(world: World) -> None:
    world.publisher.away = True
    world.parked = {"shop.charge": 50}
    world.after(5)
    world.parked = {}
    world.after(5)
    world.publisher.away = False
    world.after(5)
    assert world.publisher.told == [
        ("alert.raised", "shop.charge"), ("alert.resolved", "shop.charge")]  # fmt: skip


def test_one_is_acknowledged_by_one(world: World) -> None:
    world.parked = {"shop.charge": 50}
    world.after(5)
    (alert,) = world.alerts.up()
    shown = world.alerts.acknowledge(alert["id"], "user:ada", "looking")
    assert shown["acknowledged"]["by"] == "user:ada"
    assert world.alerts.up() == []
    with pytest.raises(Conflict, match="ada"):
        world.alerts.acknowledge(alert["id"], "user:bob")
    assert world.audit.find(action="alert.acknowledged").items[0]["actor"] == "user:ada"
    with pytest.raises(NotFound):
        world.alerts.acknowledge("none", "user:ada")


def test_a_muted_one_is_told_when_the_mute_ends_and_it_is_still_up(world: World) -> None:
    until = world.clock.now() + 60
    world.alerts.mute("parked", "user:ada", until, note="a known import")
    world.parked = {"shop.charge": 50}
    world.after(30)
    assert world.publisher.told == []
    assert world.alerts.up() == []
    (shown,) = world.alerts.find().items
    assert shown["muted"]["by"] == "user:ada"
    world.after(60)
    assert world.publisher.told == [("alert.raised", "shop.charge")]


def test_what_came_and_went_under_a_mute_is_told_to_nobody(world: World) -> None:
    world.alerts.mute("parked", "user:ada", world.clock.now() + 600, target="shop.charge")
    world.parked = {"shop.charge": 50, "shop.other": 50}
    world.after(5)
    world.parked = {}
    world.after(5)
    assert world.publisher.told == [
        ("alert.raised", "shop.other"), ("alert.resolved", "shop.other")]  # fmt: skip
    world.alerts.unmute("parked", "user:ada", target="shop.charge")
    with pytest.raises(NotFound):
        world.alerts.unmute("parked", "user:ada")


def test_a_mute_needs_an_end_ahead(world: World) -> None:
    with pytest.raises(Refused):
        world.alerts.mute("parked", "user:ada", world.clock.now() - 1)
    with pytest.raises(NotFound):
        world.alerts.mute("nothing", "user:ada", world.clock.now() + 60)


def test_a_rule_that_is_changed_or_taken_away_ends_what_it_raised(world: World) -> None:
    world.parked = {"shop.charge": 50}
    world.after(5)
    world.alerts.set_rule("parked", {"enabled": False}, "user:ada")
    world.after(5)
    assert world.publisher.told[-1] == ("alert.resolved", "shop.charge")
    assert world.publisher.events[-1].data["reason"] == "Its rule was changed."
    world.alerts.remove_rule("parked", "user:ada")
    assert world.alerts.rule("parked")["default"]
    world.after(5)
    assert world.publisher.told[-1] == ("alert.raised", "shop.charge")
    with pytest.raises(Conflict):
        world.alerts.remove_rule("parked", "user:ada")
    change = world.audit.find(action="alert-rule.changed").items[0]
    assert (change["before"]["enabled"], change["after"]["enabled"]) == (True, False)


def test_a_rule_of_ones_own_watches_what_it_names(world: World) -> None:
    world.alerts.set_rule("parked", {"enabled": False}, "user:ada")
    rule = {"measure": "dead-letters", "above": 0, "target": "shop.*"}
    world.alerts.set_rule("any-parked", rule, "user:ada")
    world.parked = {"shop.charge": 1, "bank.book": 1}
    world.after(5)
    assert world.publisher.told == [("alert.raised", "shop.charge")]


def test_a_broken_rule_says_so_and_stops_no_other(world: World) -> None:
    with world.database.session() as session:
        for name, rule in (("odd", '{"measure":"moon","above":1,"clear":1}'), ("torn", '{"x":1}')):
            session.execute(
                text("INSERT INTO alert_rules VALUES (:name, :rule, 0, 'somebody')"),
                {"name": name, "rule": rule},
            )
    assert "no measure 'moon'" in world.alerts.rule("odd")["problem"]
    assert "can't be read" in world.alerts.rule("torn")["problem"]
    world.parked = {"shop.charge": 50}
    world.after(5)
    assert len(world.publisher.told) == 1


@pytest.mark.parametrize(("changes", "word"), [
    ({"above": -1}, "above"), ({"above": "x"}, "above"), ({"clear": 99999}, "clear"),
    ({"above": float("nan")}, "above"), ({"measure": "moon"}, "moon"), ({"color": 1}, "color"),
    ({"severity": "loud"}, "severity"), ({"lasting": 1e9}, "seven days"), ({"enabled": 1}, "enabled"),
    ({"measure": "silent-topics", "target": ""}, "topic"), ({"target": 3}, "target"),
])  # fmt: skip
def test_a_wrong_rule_is_refused_in_words(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(Refused, match=word):
        changed(DEFAULTS["late"], "late", changes)


def test_the_defaults_are_sound() -> None:
    assert [rule.problem() for rule in DEFAULTS.values()] == [None] * len(DEFAULTS)


def test_nobody_at_work_is_an_alert(world: World) -> None:
    world.alive = False
    world.after(60)
    assert ("alert.raised", "default") in world.publisher.told
