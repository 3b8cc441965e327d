"""What `bench control` takes for a delivery that doesn't follow a control yet."""

from __future__ import annotations

from pathlib import Path

from app.bench.control_trace import Begun, Trace, above, overlapping


def _begun(*times: tuple[float, float]) -> list[Begun]:
    return [Begun(n, 1, 1, at, until) for n, (at, until) in enumerate(times)]


def test_those_that_overlap_another_one() -> None:
    begun = _begun((0, 1), (0.5, 3), (2, 2.5), (3.5, 4), (4.5, 5))
    assert [one.n for one in overlapping(begun)] == [1, 2]


def test_those_above_a_rate() -> None:
    fast = [(n / 100, n / 100) for n in range(100)]
    allowed = [(1 + n, 1 + n) for n in range(5)]
    assert [one.n for one in above(1.0, _begun(*fast, *allowed))][-1] < 100
    assert len(above(1.0, _begun(*fast, *allowed))) >= 97
    assert above(1.0, _begun(*allowed)) == []


def test_notes_are_read_as_they_come(tmp_path: Path) -> None:
    trace = Trace(tmp_path / "notes")
    with open(tmp_path / "notes", "a") as file:
        file.write("begin 1 7 1 10.5\nbegin 2 8 1 10.4\nend 1")  # half of a line
        file.flush()
        assert [one.n for one in trace.since(0.0)] == [2, 1]
        assert trace.ended() == set()
        file.write(" 7 1 10.7\n")
    assert trace.since(10.45) == [Begun(1, 7, 1, 10.5, 10.7)]
    assert trace.ended() == {1}
    trace.close()
