"""Property: commands given by several threads at once, some twice, on two streams, equal some serial order.

The order is that of the positions they were answered with. Replayed in it, each saw exactly what was
there before it; each was done once, however often it was given; and a refusal was true at its version.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from app import Aggregate, applies, command
from app.cqrs import refusals
from app.cqrs.answers import SOURCE
from app.cqrs.asked import id_of
from app.cqrs.command import Registry
from app.cqrs.commands import Commands
from app.errors import Conflict, Refused, Unavailable
from app.events.event import Event
from app.events.topics import COMMAND_GIVEN

ACTOR, MAY, THREADS = "user:ann", ["operator"], 4
runs = iter(range(10_000_000))


class Bin(Aggregate):
    category = "serial"
    snapshot_every = 3
    pieces: int = 0

    def change(self, by: int) -> None:
        self.record("serial.changed", {"by": by})

    @applies("serial.changed")
    def _changed(self, event) -> None:
        self.pieces += event.data["by"]


class Move(BaseModel):
    """From one bin, or from outside, to the other."""

    source: str | None
    target: str
    n: int


class Told(NamedTuple):
    key: str
    n: int
    here: bool
    state: str
    answer: Any
    position: int | None


@pytest.fixture
def commands(platform) -> Commands:
    registry = Registry()

    @command("bins.move", takes=Move, registry=registry)
    def move(asked, ctx):
        with ctx.edit(Bin, asked.target) as target:
            saw = {asked.target: target.pieces}
            if asked.source is not None:
                with ctx.edit(Bin, asked.source) as source:
                    saw[asked.source] = source.pieces
                    if source.pieces < asked.n:
                        raise Refused(f"{source.version}: {source.pieces} are there")
                    source.change(-asked.n)
            target.change(asked.n)
        return saw

    return Commands(platform, registry)


def give(commands: Commands, key: str, asked: dict[str, Any], here: bool) -> Told:
    """As a client does it: again with the same key, until it is told what became of it."""
    one = ("bins.move", asked)
    while True:
        try:
            if here:
                done = commands.execute(*one, actor=ACTOR, may=MAY, key=key)
                return Told(key, asked["n"], here, "done", done["answer"], done["position"])
            data = {"command": one[0], "asked": asked, "actor": ACTOR, "may": MAY, "key": key}
            id = id_of(one[0], ACTOR, key)
            told = commands.carry_out(Event(type=COMMAND_GIVEN, id=id, source=SOURCE, data=data))
            if told["state"] == "done":
                return Told(key, asked["n"], here, "done", told["answer"], told["position"])
            problem = told["problem"]
            state = "conflict" if problem["kind"] == "conflict" else "refused"
            return Told(key, asked["n"], here, state, problem["detail"], None)
        except Unavailable:
            continue
        except Conflict as error:
            return Told(key, asked["n"], here, "conflict", str(error), None)
        except Refused as error:
            return Told(key, asked["n"], here, "refused", str(error), None)


def at_once(work: list[list[Callable[[], Told]]]) -> list[Told]:
    told: list[Told] = []
    start = threading.Barrier(len(work))

    def run(own: list[Callable[[], Told]]) -> None:
        start.wait(60)
        for one in own:
            told.append(one())

    threads = [threading.Thread(target=run, args=(own,)) for own in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return told


plans = st.lists(
    st.tuples(
        st.sampled_from([(None, "a"), (None, "b"), ("a", "b"), ("b", "a")]),
        st.integers(1, 4),
        st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=1, max_size=3),
    ),
    min_size=4, max_size=12,
)  # fmt: skip


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.generate],  # what threads do isn't the same twice: nothing to shrink
)
@given(plans)
def test_commands_at_once_equal_a_serial_order(commands, platform, plan):
    run = next(runs)
    ids = {None: None, "a": f"{run}-a", "b": f"{run}-b"}
    asked = {
        f"k{run}-{number}": {"source": ids[source], "target": ids[target], "n": n}
        for number, ((source, target), n, _) in enumerate(plan)
    }
    work: list[list[Callable[[], Told]]] = [[] for _ in range(THREADS)]
    for number, (key, (_, _, copies)) in enumerate(zip(asked, plan, strict=True)):
        for copy, (here, other) in enumerate(copies):
            wanted = asked[key] if other else {**asked[key], "n": asked[key]["n"] + 10}
            work[(number + copy) % THREADS].append(
                lambda key=key, wanted=wanted, here=here: give(commands, key, wanted, here)
            )
    told = at_once(work)
    assert len(told) == sum(len(copies) for _, _, copies in plan)

    done = {(one.key, one.n, one.position): one for one in told if one.state == "done"}
    assert all(times == 1 for times in Counter(key for key, *_ in done).values())
    bins = {ids["a"]: 0, ids["b"]: 0}
    history = {name: [0] for name in bins}
    for one in sorted(done.values(), key=lambda one: one.position or 0):
        source, target = asked[one.key]["source"], asked[one.key]["target"]
        touched = [name for name in (source, target) if name]
        assert one.answer == {name: bins[name] for name in touched}
        for name, by in ((source, -one.n), (target, one.n)):
            if name:
                bins[name] += by
                history[name].append(bins[name])
    for name, pieces in bins.items():
        loaded = commands.platform.aggregates.load(Bin.kind(), name)
        assert (loaded.pieces, loaded.version) == (pieces, len(history[name]) - 1)
        assert pieces >= 0
    for one in told:
        if one.state == "refused":
            version, pieces = map(int, re.findall(r"\d+", one.answer)[:2])
            assert history[asked[one.key]["source"]][version] == pieces < one.n
        alone = all(other.n == one.n for other in told if other.key == one.key)
        if one.state == "conflict":
            assert not alone
        elif (
            alone and not one.here
        ):  # what a worker answers is what is kept, for whoever asks again
            kept = commands.state(id_of("bins.move", ACTOR, one.key))
            assert kept["state"] == one.state
    lines = platform.audit.find(action="command.bins.move", limit=1000).items
    noted = Counter(line["details"]["key"] for line in lines if line["details"]["key"] in asked)
    assert noted == Counter(key for key, *_ in done)


def test_a_worker_that_refused_tells_what_was_done_under_the_key_meanwhile(commands, monkeypatch):
    asked = {"source": "c", "target": "d", "n": 3}
    told = refusals.told

    def after_another_was_quicker(error):
        monkeypatch.undo()
        assert "0 are there" in str(error)
        assert (
            give(commands, "fill", {**asked, "source": None, "target": "c"}, True).state == "done"
        )
        assert give(commands, "move", asked, True).state == "done"
        return told(error)

    monkeypatch.setattr(refusals, "told", after_another_was_quicker)
    assert give(commands, "move", asked, False).state == "done"
    assert commands.state(id_of("bins.move", ACTOR, "move"))["state"] == "done"
