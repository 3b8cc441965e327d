"""Priority between subscriptions: the high one first, the low one slowly and never not at all."""

from __future__ import annotations

from typing import Any

from tests.contract.world import World

STEP = 0.004
"""Seconds that each of these events takes, on the clock of the test."""
BACKLOG = 600


def _declared(world: World, **priorities: str) -> list[str]:
    """Two subscriptions that say in this list what they handle."""
    seen: list[str] = []

    @world.on("slow.asked", priority=priorities.get("slow", "normal"))
    def slow(event: Any, ctx: Any) -> None:
        world.clock.sleep(STEP)
        seen.append("slow")
        if event.data == 20:
            world.publish("quick.asked")

    @world.on("quick.asked", priority=priorities.get("quick", "normal"))
    def quick(event: Any, ctx: Any) -> None:
        world.clock.sleep(STEP)
        seen.append("quick")

    return seen


def test_a_backlog_on_a_low_one_does_not_delay_a_high_ones_fresh_event(world: World):
    seen = _declared(world, slow="low", quick="high")

    for n in range(BACKLOG):
        world.publish("slow.asked", n)
    world.run()

    assert seen.count("slow") == BACKLOG
    assert seen.index("quick") < 150, "it waited for more than the turn that it came in"


def test_a_low_one_gets_some_turns_while_a_high_one_has_a_backlog(world: World):
    seen = _declared(world, slow="low", quick="high")

    for _ in range(BACKLOG):
        world.publish("quick.asked")
    for n in range(100, 130):
        world.publish("slow.asked", n)
    world.run()

    before = seen[: seen.index("slow")]
    assert len(before) > 200, "the high one goes first"
    assert "quick" in seen[seen.index("slow") :], "the low one starved until the high one was done"
    assert len(seen) == BACKLOG + 30


def test_an_operators_change_counts_from_the_next_turn(world: World):
    seen = _declared(world)

    for _ in range(BACKLOG):
        world.publish("quick.asked")
    for n in range(100, 110):
        world.publish("slow.asked", n)
    world.change("slow", priority="high")
    world.run()

    assert seen[:10] == ["slow"] * 10
    assert len(seen) == BACKLOG + 10
