"""One run's sentence and its waterfall say where it stands, and where the time went."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from tests.web.fakes import FakePlatform
from web.console import runs

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


def at(seconds: float | None) -> str | None:
    return None if seconds is None else (START + timedelta(seconds=seconds)).isoformat()


def step(subscription: str | None, state: str, start: float | None = 1, end: float | None = 2,
         **more: Any) -> dict[str, Any]:  # fmt: skip
    return {"event": "e", "type": "x.begun", "subscription": subscription, "state": state,
            "attempts": 1, "started": at(start), "ended": at(end), "causationid": None,
            "error": None, "published": at(0), "history": [], **more}  # fmt: skip


def sentence(state: str, *steps: dict[str, Any], ended: float | None = None) -> str:
    run = {
        "state": state,
        "outcome": "x.done",
        "started": at(0),
        "ended": at(ended),
        "steps": steps,
    }
    return runs.sentence(run, START + timedelta(seconds=12))


@pytest.mark.parametrize(
    ("state", "steps", "said"),
    [
        ("failed",
         [step("m.charge", "parked", attempts=3, error="Timeout: 5 s"), step("m.b", "waiting")],
         "Stopped at charge after 3 attempts: Timeout. 1 other delivery still open."),
        ("running", [step("m.charge", "retrying", attempts=2)],
         "charge failed and will be tried again (2 attempts so far)."),
        ("running", [step("m.train", "running", end=None)], "train at work; 12 s so far."),
        ("waiting", [step("m.a", "waiting"), step("m.b", "waiting")],
         "Waiting for a and b; 12 s so far."),
        ("running", [step("m.a", "succeeded")], "Came as far as x.done; 12 s so far."),
    ],
)  # fmt: skip
def test_the_sentence_says_where_it_stands(state: str, steps: list[Any], said: str) -> None:
    assert sentence(state, *steps) == said


def test_the_sentence_of_what_ended() -> None:
    assert (
        sentence("succeeded", step("m.a", "succeeded"), ended=7) == "Ended with x.done after 7.0 s."
    )
    assert sentence("cancelled", step("m.a", "cancelled"), ended=7).startswith(
        "Cancelled after 7.0 s"
    )


def kinds(one: dict[str, Any], length: float = 10) -> list[tuple[str, float, float]]:
    return [(s.kind, s.start, s.end) for s in runs.segments_of(one, START, length)]


def test_waiting_is_drawn_apart_from_working() -> None:
    assert kinds(step("m.a", "succeeded", 3, 4)) == [("waiting", 0, 3), ("worked", 3, 4)]


def test_each_attempt_is_drawn_with_the_wait_before_it() -> None:
    history = [
        {"started": at(1), "ended": at(2), "state": "retrying"},
        {"started": at(5), "ended": at(6), "state": "succeeded"},
    ]
    assert kinds(step("m.a", "succeeded", 5, 6, attempts=2, history=history)) == [
        ("waiting", 0, 1), ("failed", 1, 2), ("backoff", 2, 5), ("worked", 5, 6),
    ]  # fmt: skip


def test_what_runs_or_waits_now_reaches_to_now() -> None:
    assert kinds(step("m.a", "running", 3, None))[-1] == ("worked", 3, 10)
    assert kinds(step("m.a", "waiting", None, None)) == [("waiting", 0, 10)]
    assert kinds(step("m.a", "retrying", 1, 2))[-1] == ("backoff", 2, 10)


def test_what_a_worker_handles_now_is_running(app: Flask, platform: FakePlatform) -> None:
    event = platform.data["events"][0]["id"]
    position = platform.archive.get(event)["position"]  # type: ignore[index]
    since = (START + timedelta(seconds=3)).timestamp()
    slot = {"subscription": "m.train", "event": position, "since": since}
    platform.workers.list = lambda: [{"slots": [slot]}]  # type: ignore[method-assign]
    steps = [step("m.train", "waiting", None, None, event=event), step("m.train", "waiting")]
    with app.test_request_context("/"):
        found = runs.at_work(steps)
    assert [one["state"] for one in found] == ["running", "waiting"]
    assert sentence("running", found[0]) == "train at work; 12 s so far."
    assert kinds(found[0]) == [("waiting", 0, 3), ("worked", 3, 10)]
    assert steps[0]["state"] == "waiting"


def test_an_event_that_nobody_takes_is_a_moment() -> None:
    assert kinds(step(None, "succeeded", 4, 4, published=None)) == [("event", 4, 4)]
