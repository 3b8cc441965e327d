"""The worst thing wins the overview's sentence, and each sentence has its cure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from web.console.verdict import Verdict, failing_since, verdict

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
WELL = {"redis": "ok", "database": "ok", "workers": 2}


def one(name: str = "shop.charge", state: str = "healthy", **more: Any) -> dict[str, Any]:
    return {"name": name, "state": state, "active": True, "backlog": 0, "oldest": None, "parked": 0,
            "retrying": 0, "paused": None, **more}  # fmt: skip


def minute(at: int, done: int, failed: int) -> dict[str, Any]:
    return {"at": (NOON + timedelta(minutes=at)).isoformat(), "done": done, "failed": failed}


def judged(*rows: dict[str, Any], groups: Any = (), health: Any = None, series: Any = None,
           events: int = 9) -> Verdict:  # fmt: skip
    return verdict(list(rows), list(groups), health or WELL, series or {}, events)


def test_all_is_well() -> None:
    found = judged(one("a"), one("b"))
    assert (found.state, found.headline) == ("healthy", "All 2 subscriptions keep up")


def test_a_database_that_is_gone_comes_before_everything() -> None:
    found = judged(one(state="failing"), health={**WELL, "database": "no such host"})
    assert found.headline == "Database can't be reached"
    assert "no such host" in found.detail
    assert found.command == "python -m app doctor"


def test_without_workers_it_says_how_to_start_one() -> None:
    found = judged(one(backlog=12), health={**WELL, "workers": 0})
    assert (found.state, found.headline) == ("failing", "No worker is running")
    assert "12 events waiting" in found.detail
    assert found.command == "celery -A workers worker"


def test_what_fails_is_named_with_its_cause_its_share_and_its_start() -> None:
    group = {
        "id": "g1",
        "subscription": "shop.charge",
        "title": "GatewayTimeout: 5 s",
        "count": 512,
    }
    series = {"shop.charge": [minute(0, 50, 0), minute(1, 40, 5), minute(2, 40, 5)]}
    found = judged(one(state="failing", parked=512), one("b"), one("c", "late", oldest=38.0),
                   groups=[group], series=series)  # fmt: skip
    assert found.headline == "charge is failing: 1 in 9 attempts"
    assert found.since == NOON + timedelta(minutes=1)
    assert "512 events parked with GatewayTimeout: 5 s." in found.detail
    assert "c is 38 s behind." in found.detail
    assert "The other 1 subscription is healthy." in found.detail
    assert [(a.label, a.href, a.method) for a in found.actions] == [
        ("See failures", "/failures?subscription=shop.charge&group=g1", "get"),
        ("Pause charge", "/subscriptions/shop.charge/pause", "post"),
    ]


def test_a_projection_that_is_stopped_is_named_and_opened() -> None:
    one = {"name": "sales", "kind": "projection", "why": "Its code fails on item.sold."}
    told = verdict([], [], WELL, {}, 1, [one, {**one, "name": "other"}])
    assert (told.state, told.headline) == ("failing", "sales is stopped")
    assert "item.sold" in told.detail and "1 other stopped too" in told.detail
    assert told.actions[0].href == "/projections/sales"


def test_what_is_late_comes_before_what_is_parked() -> None:
    found = judged(one(state="late", oldest=90.0, backlog=None), groups=[{"count": 4}])
    assert (found.state, found.headline) == ("late", "charge is 1 m 30 s behind")


def test_what_is_paused_can_be_resumed_from_the_sentence() -> None:
    paused = {"by": "user:admin", "reason": "mail is down", "at": "2026-01-31T11:00:00Z"}
    found = judged(one(state="paused", paused=paused), one("b"), groups=[{"count": 4}])
    assert found.headline == "1 subscription keeps up, 1 paused"
    assert "charge is paused by admin: mail is down." in found.detail
    assert "4 events parked, of 1 cause" in found.detail
    assert found.actions[0].method == "post"


def test_a_new_installation_is_told_what_to_try() -> None:
    found = judged(one(), events=0)
    assert "nothing has flowed yet" in found.headline
    assert found.command.startswith("python -m app publish")


def test_names_are_safe_in_addresses() -> None:
    found = judged(one('a/b?"#', "failing"))
    assert found.actions[1].href == "/subscriptions/a%2Fb%3F%22%23/pause"


def test_a_stretch_of_failures_survives_a_quiet_minute() -> None:
    rows = [minute(i, 9, 0) for i in range(8)]
    rows += [minute(8, 9, 3), minute(9, 9, 0), minute(10, 9, 3), minute(11, 9, 3)]
    since, share = failing_since(rows)
    assert since == NOON + timedelta(minutes=8)
    assert share == 9 / 45


def test_failures_all_day_long_are_not_the_beginning_of_what_fails_now() -> None:
    rows = [minute(i, 99, 1) for i in range(50)] + [minute(i, 80, 20) for i in range(50, 60)]
    since, share = failing_since(rows)
    assert since == NOON + timedelta(minutes=50)
    assert share == 0.2


def test_nothing_failed() -> None:
    assert failing_since([minute(0, 9, 0)]) == (None, 0.0)
    assert failing_since([]) == (None, 0.0)
