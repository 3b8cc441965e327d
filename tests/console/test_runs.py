"""One run's sentence and its waterfall say where it stands, and where the time went."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from tests.web.fakes import FakePlatform
from web.console import runs
from web.console.alike import folded
from web.drawing import causation

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
         "Stopped at charge after 3 attempts: Timeout: 5 s. 1 other delivery still open."),
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


def progress(event: str, seconds: float, cause: str = "begun", kind: str = "x.progressed") -> Any:
    return step(None, "succeeded", seconds, seconds, event=event, type=kind, causationid=cause,
                published=at(seconds))  # fmt: skip


def test_events_that_say_the_same_again_are_one_line() -> None:
    begun = step("m.train", "succeeded", event="begun")
    told = [progress(f"p{number}", number) for number in range(4)]
    done = progress("done", 5, kind="x.finished")
    (first, line, last) = folded([begun, told[0], told[1], done, told[2], told[3]])
    assert (first, last) == (begun, done)
    assert line["event"] == "p3" and [one["event"] for one in line["alike"]] == [
        "p0", "p1", "p2", "p3",
    ]  # fmt: skip
    assert kinds(line) == [("event", n, n) for n in range(4)], "each is a mark of its own"
    assert runs.took_of(line) == "4 events"


def test_what_matters_is_never_folded_away() -> None:
    """Two are not many; an event that was taken or caused another one stands for itself."""
    few = [progress("p0", 0), progress("p1", 1)]
    other_cause = progress("q0", 2, cause="another")
    taken = step("m.look", "succeeded", event="p2", type="x.progressed", causationid="begun")
    causing = progress("p3", 3)
    caused = progress("r0", 4, cause="p3", kind="x.noted")
    steps = [*few, other_cause, taken, causing, caused]
    assert folded(steps) == steps


def test_a_line_starts_at_who_declares_to_emit_the_type_or_else_at_the_event() -> None:
    begun = step("m.hold", "succeeded", event="begun")
    emitted = step(None, "succeeded", 1, 1, event="a", type="m.held", causationid="begun")
    by_a_reactor = step(None, "succeeded", 2, 2, event="b", type="m.mailed", causationid="begun")
    steps = [begun, emitted, by_a_reactor]

    _, edges = causation.causation(steps, {"m.hold": ["m.held"]}, runs.note, runs.link)
    _, of_code_that_is_gone = causation.causation(steps, {}, runs.note, runs.link)

    lines = {(edge.source, edge.target) for edge in edges}
    assert {("begun>m.hold", "event:a"), ("event:begun", "event:b")} <= lines
    assert ("begun>m.hold", "event:b") in {(e.source, e.target) for e in of_code_that_is_gone}


def test_the_graph_of_a_run_draws_them_once() -> None:
    begun = step("m.train", "succeeded", event="begun")
    told = [progress(f"progress-{number}", number) for number in range(5)]
    nodes, _ = causation.causation(folded([begun, *told]), {}, runs.note, runs.link)
    (pill,) = [node for node in nodes if node.title == "x.progressed"]
    assert pill.note == "5 times"
