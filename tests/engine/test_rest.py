"""What waits behind a slow event: outputs of those before it, and the ones after it."""

from __future__ import annotations

import pytest

from tests.engine.rig import Rig, until


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_nothing_waits_for_a_slow_neighbour(rig: Rig, pool: str) -> None:
    rig.start(pool=pool).ready()
    rig.publish("plain", range(12), gate=lambda n: "let-go" if n == 5 else "")
    until(lambda: len(rig.outputs("plain")) == 11, seconds=15, what=rig.logs)
    assert len(rig.trace.begun(5)) == 1
    rig.let_go("let-go")
    rig.await_outputs("plain", range(12))
    assert set(rig.trace.ended().values()) == {1}
