"""What is wrong with a process's states, found by reading its class: for `doctor`.

A step that waits for a state which nothing enters never runs, and a `within` that is no time
fails at the step that sets it. Only names that stand there as texts are judged: where a class
computes a state, or its source can't be had, nothing is said of what is entered.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from app.errors import Refused
from app.subscriptions import cases as keyed
from app.subscriptions.declaration import Subscription
from app.subscriptions.processes import Machine, Process


def problems(subscriptions: Iterable[Subscription]) -> list[str]:
    """A sentence for each fault of those that are processes."""
    made = [getattr(one.handler, "declared", None) for one in subscriptions]
    classes = [one for one in made if isinstance(one, type) and issubclass(one, Process)]
    return [problem for one in classes for problem in _of(one)]


def _of(made: type[Process]) -> Iterator[str]:
    calls = [call for one in made.__mro__ for call in _becomes(one)]
    states = [_argument(call, 0, "state") for call in calls]
    texts = {one.value for one in states if isinstance(one, ast.Constant)}
    if all(isinstance(one, ast.Constant) for one in states):
        waited = dict.fromkeys(step.state for step in Machine(made, "subject").steps)
        for state in waited:
            if state is not None and state not in texts:
                entered = ", ".join(sorted(map(repr, texts))) or "none"
                yield f"{made.__qualname__}: a step waits in the state {state!r}, which is never entered ({entered})"
    for call in calls:
        within = _argument(call, 1, "within")
        if isinstance(within, ast.Constant):
            value: Any = within.value
            try:
                keyed.checked_within(value, f"{made.__qualname__}.become")
            except Refused as error:
                yield str(error)


def _becomes(made: type[Any]) -> list[ast.Call]:
    """The calls of `….become(…)` in a class that an author wrote."""
    if made is Process or not issubclass(made, Process):
        return []
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(made)))
    except (OSError, TypeError, SyntaxError):
        return [ast.parse("self.become(unknown)", mode="eval").body]  # type: ignore[list-item]
    return [
        node for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "become"
    ]  # fmt: skip


def _argument(call: ast.Call, place: int, name: str) -> ast.expr | None:
    if place < len(call.args):
        return call.args[place]
    return next((one.value for one in call.keywords if one.arg == name), None)
