"""When an alert goes up and down: properties over any history of readings."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from app.alerts.decision import GAP, QUIET, State, judge, step
from app.alerts.rule import Rule

RULES = st.builds(
    lambda above, room, lasting, clear_lasting: Rule(
        "r", "lag", above=above, clear=max(0.0, above - room),
        lasting=lasting, clear_lasting=clear_lasting,
    ),
    st.integers(0, 10), st.integers(0, 5), st.sampled_from([0, 5, 30, 90]),
    st.sampled_from([0, 5, 30]),
)  # fmt: skip
HISTORIES = st.lists(
    st.tuples(st.sampled_from([0.5, 5, 5, 20, 61, -3]), st.none() | st.integers(0, 12)),
    max_size=40,
).map(
    lambda steps: list(
        zip(
            accumulate((gap for gap, _ in steps), initial=1e9),
            [None, *(value for _, value in steps)],
            strict=True,
        )
    )[1:]
)


def walk(rule: Rule, history) -> list[tuple[float, float | None, State]]:
    state, walked = QUIET, []
    for at, value in history:
        state = step(rule, state, at, value)
        walked.append((at, value, state))
    return walked


def unbroken(walked, index: int, fits) -> float:
    """For how long up to here readings were seen that all fit, without a gap."""
    first = last = walked[index][0]
    for at, value, _ in reversed(walked[: index + 1]):
        if value is None or not fits(value) or not 0 <= last - at <= GAP:
            break
        first = last = at
    return walked[index][0] - first


@given(RULES, HISTORIES)
def test_it_goes_up_only_after_being_bad_for_as_long_as_the_rule_says(rule, history) -> None:
    walked = walk(rule, history)
    before = QUIET
    for index, (_, value, state) in enumerate(walked):
        if state.up and not before.up:
            assert value is not None and value > rule.above
            assert unbroken(walked, index, lambda v: v > rule.above) >= rule.lasting
        before = state


@given(RULES, HISTORIES)
def test_it_goes_up_as_soon_as_it_was(rule, history) -> None:
    walked = walk(rule, history)
    for index, (_, value, state) in enumerate(walked):
        if value is not None and value > rule.above:
            long = unbroken(walked, index, lambda v: v > rule.above)
            if long >= rule.lasting:
                assert state.up


@given(RULES, HISTORIES)
def test_it_goes_down_only_after_being_well_for_as_long_as_the_rule_says(rule, history) -> None:
    walked = walk(rule, history)
    before = QUIET
    for index, (_, value, state) in enumerate(walked):
        if before.up and not state.up:
            assert value is not None and value <= rule.clear
            assert unbroken(walked, index, lambda v: v <= rule.clear) >= rule.clear_lasting
        before = state


@given(RULES, HISTORIES)
def test_between_the_limits_and_in_ignorance_nothing_changes(rule, history) -> None:
    before = QUIET
    for _, value, state in walk(rule, history):
        if value is None or rule.clear < value <= rule.above:
            assert state.up == before.up
        before = state


@given(RULES, HISTORIES, HISTORIES)
def test_the_state_is_all_that_is_kept(rule, first, second) -> None:
    state = judge(rule, first)
    for at, value in second:
        state = step(rule, state, at, value)
    assert state == judge(rule, [*first, *second])


def test_a_story() -> None:
    rule = Rule("r", "lag", above=60, clear=30, lasting=10, clear_lasting=10)
    phases = [
        state.phase
        for _, _, state in walk(
            rule,
            [(100, 70), (105, 80), (110, 90), (115, 50), (120, 20), (125, 40), (130, 10),
             (140, 0)],
        )
    ]  # fmt: skip
    assert phases == ["pending", "pending", "raised", "raised", "clearing", "raised", "clearing",
                      "quiet"]  # fmt: skip
