"""Whether an alert is up: from a rule and the readings so far. Pure.

Only readings count: what nobody saw proves nothing. A reading that is unknown
(None), a silence longer than `GAP`, or a clock that went back lets neither span
go on; the phase stays, its span begins anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

from app.alerts.rule import Rule

GAP = 60.0
"""Seconds between two readings over which nothing is known of the time between them."""


@dataclass(frozen=True)
class State:
    """`quiet`, `pending` (bad, not long enough), `raised`, or `clearing` (good, not long enough).

    `since`: when the phase began; `at`: of the last reading that was known.
    """

    phase: str = "quiet"
    since: float = 0.0
    at: float = 0.0

    @property
    def up(self) -> bool:
        return self.phase in ("raised", "clearing")


QUIET = State()


def step(rule: Rule, state: State, at: float, value: float | None) -> State:
    """The state after one more reading."""
    if value is None:
        return _unknown(state)
    if not 0 <= at - state.at <= GAP:
        state = _unknown(state)
    if state.up:
        return _while_up(rule, state, at, value)
    return _while_down(rule, state, at, value)


def judge(rule: Rule, history: Iterable[tuple[float, float | None]]) -> State:
    """The state after a whole history of (time, value)."""
    return reduce(lambda state, reading: step(rule, state, *reading), history, QUIET)


def _unknown(state: State) -> State:
    if state.phase == "pending":
        return QUIET
    if state.phase == "clearing":
        return State("raised", state.since, state.at)
    return state


def _while_down(rule: Rule, state: State, at: float, value: float) -> State:
    if value <= rule.above:
        return QUIET
    since = state.since if state.phase == "pending" else at
    if at - since >= rule.lasting:
        return State("raised", at, at)
    return State("pending", since, at)


def _while_up(rule: Rule, state: State, at: float, value: float) -> State:
    if value > rule.clear:
        return State("raised", state.since if state.phase == "raised" else at, at)
    since = state.since if state.phase == "clearing" else at
    if at - since >= rule.clear_lasting:
        return QUIET
    return State("clearing", since, at)
