"""The flow graph says what subscriptions declare, and a run's graph what caused what."""

from __future__ import annotations

from typing import Any

from web.console.flow import unconsumed
from web.drawing import causation
from web.drawing.flow import Flow, Load, flow, layers, short_names


def one(name: str, types: list[str], emits: list[str], **more: Any) -> dict[str, Any]:
    return {"name": name, "types": types, "emits": emits, "state": "healthy", "parked": 0, **more}


def drawn(*subscriptions: dict[str, Any], **rates: float) -> Flow:
    loads = {name: Load(rate) for name, rate in rates.items()}
    return flow(
        subscriptions, loads, lambda r: f"{r:g}", lambda s, load: "", lambda kind, name: f"/{kind}"
    )


def pairs(found: Flow) -> set[tuple[str, str]]:
    return {(edge.source, edge.target) for edge in found.edges}


def test_a_type_between_two_handlers_is_the_line_between_them() -> None:
    found = drawn(one("a", ["x.begun"], ["y.made"]), one("b", ["y.made"], ["z.done"]))
    assert pairs(found) == {("type:x.begun", "a"), ("a", "b"), ("b", "type:z.done")}


def test_what_takes_everything_is_named_and_not_drawn() -> None:
    found = drawn(one("a", ["x.begun"], []), one("archive", ["*"], []))
    assert found.everywhere == ["archive"]
    assert "archive" not in {node.id for node in found.nodes}


def test_our_own_are_drawn_only_where_something_is_wrong_with_them() -> None:
    ours = ("penstock.commands", ["command.given"], ["command.done"])
    found = drawn(one("a", ["x.begun"], []), one(*ours))
    assert found.own == ["penstock.commands"] and {n.id for n in found.nodes} == {
        "type:x.begun",
        "a",
    }
    for trouble in ({"parked": 1}, {"state": "late"}):
        assert "penstock.commands" in {n.id for n in drawn(one(*ours, **trouble)).nodes}


def test_of_what_nobody_takes_only_what_others_publish_is_told() -> None:
    topics = [
        {"name": "order", "types": ["order.placed", "order.lost", "order.billed"]},
        {"name": "command", "types": ["command.given", "command.done", "command.refused"]},
        {"name": "alert", "types": ["alert.raised", "alert.resolved"]},
        {"name": "penstock", "types": ["penstock.settled"]},
    ]
    found = unconsumed(topics, [one("a", ["order.placed"], ["order.billed"])])
    assert found == [{"topic": "order", "type": "order.lost"}]


def test_deadlines_tie_nothing_together() -> None:
    found = drawn(one("a", ["x.begun", "deadline.passed"], []), one("b", ["deadline.passed"], []))
    assert pairs(found) == {("type:x.begun", "a")}
    assert {node.id for node in found.nodes} == {"type:x.begun", "a", "b"}


def test_parked_events_stand_beside_the_subscription_that_parked_them() -> None:
    found = drawn(one("a", ["x.begun"], [], parked=3), one("b", ["y.begun"], [], parked=1))
    assert {("a", "parked:a"), ("b", "parked:b")} <= pairs(found)
    assert [n.title for n in found.nodes if n.kind == "parked"] == ["3 parked", "1 parked"]


def test_a_rate_stands_on_a_line_only_where_it_is_that_lines() -> None:
    found = drawn(one("a", ["x.begun"], []), one("b", ["x.begun", "y.begun"], []), a=2.0, b=5.0)
    labels = {(edge.source, edge.target): edge.label for edge in found.edges}
    assert labels["type:x.begun", "a"] == "2"
    assert labels["type:x.begun", "b"] == labels["type:y.begun", "b"] == ""


def test_a_paused_subscription_gets_nothing() -> None:
    found = drawn(one("a", ["x.begun"], [], state="paused"), a=0.0)
    assert [edge.state for edge in found.edges] == ["paused"]


def test_names_are_short_as_long_as_they_differ() -> None:
    assert short_names(["m.one", "m.two"]) == {"m.one": "one", "m.two": "two"}
    assert short_names(["m.one", "n.one"]) == {"m.one": "m.one", "n.one": "n.one"}


def test_steps_come_after_what_leads_to_them_even_in_a_circle() -> None:
    found = drawn(one("a", ["x.begun", "y.made"], ["y.made"]), one("b", ["y.made"], []))
    steps = layers(found.nodes, found.edges)
    assert sum(len(step) for step in steps) == len(found.nodes)


def step(event: str, subscription: str | None, cause: str | None = None, state: str = "succeeded",
         type: str = "x.begun") -> dict[str, Any]:  # fmt: skip
    return {"event": event, "type": type, "subscription": subscription, "causationid": cause,
            "state": state}  # fmt: skip


def run(*steps: dict[str, Any], emits: dict[str, list[str]] | None = None) -> set[tuple[str, str]]:
    _, edges = causation.causation(
        steps, emits or {}, lambda s: "", lambda kind, name: f"/{kind}/{name}"
    )
    return {(edge.source, edge.target) for edge in edges}


def test_an_event_comes_from_the_delivery_that_made_it() -> None:
    found = run(step("1", "a"), step("2", None, "1"))
    assert found == {("event:1", "1>a"), ("1>a", "event:2")}


def test_of_several_handlers_the_one_that_emits_the_type_is_the_origin() -> None:
    steps = [step("1", "a"), step("1", "b"), step("2", None, "1", type="y.made")]
    assert ("1>b", "event:2") in run(*steps, emits={"b": ["y.made"]})
    assert ("event:1", "event:2") in run(*steps)


def test_a_parked_delivery_ends_in_its_dead_letter() -> None:
    assert ("1>a", "1>a>parked") in run(step("1", "a", state="parked"))


def test_a_cause_outside_of_the_run_is_no_line() -> None:
    assert run(step("1", "a", cause="elsewhere")) == {("event:1", "1>a")}


def test_the_tree_has_every_step_once_after_its_cause() -> None:
    steps = [step("1", "a"), step("1", "b"), step("2", "c", "1"), step("3", None, "2"),
             step("9", None, "elsewhere")]  # fmt: skip
    ordered = causation.tree(steps)
    assert [(depth, s["event"]) for depth, s in ordered] == [
        (0, "1"), (0, "1"), (1, "2"), (2, "3"), (0, "9"),
    ]  # fmt: skip


def test_a_long_run_leaves_out_the_pills_between_boxes() -> None:
    steps = [step(str(i), f"m.handler_{i}", str(i - 1) if i else None) for i in range(30)]
    nodes, edges = causation.causation(steps, {}, lambda s: "", lambda kind, name: "/")
    assert sum(node.kind == "type" for node in nodes) == 1
    assert len(edges) == 30
