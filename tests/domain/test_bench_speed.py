"""The benchmarks of speed run with real workers, and tell what a reader needs beside each figure."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest

from app.bench import archive, control, delivery, scale


def test_delivery_is_told_beside_the_reference_of_the_same_run() -> None:
    told: list[str] = []
    result = delivery.run("batch", 2000, 2, None, told.append, archive=False)

    assert result["ratio"] == pytest.approx(sum(result["ratios"]) / 2)
    assert result["fsync"] == "no append-only file"
    assert min(result["CPU (microseconds an event)"].values()) > 0
    assert result["archive caught up after (s)"] is None
    assert len(told) == 2 and "reference" in told[0]


def test_how_long_archive_and_projections_take() -> None:
    result = archive.run("run", 500, 1, None, lambda line: None)

    assert 0 <= result["archive caught up after (s)"] < 120
    assert 0 <= result["projections caught up after (s)"] < 120
    assert result["ratio"] > 0
    assert result["runs that were not as they were built anew"] == 0
    assert result["spoilt runs that were mended"] == 50
    assert result["tables with rows that are not as before"] == 0
    assert result["longest wait of a write meanwhile (ms)"] > 0


def test_what_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "SMALL", 1000)
    monkeypatch.setattr(scale, "MANY", 2000)
    monkeypatch.setattr(scale, "CALM_SECONDS", 0.1)
    monkeypatch.setattr(scale, "IDLE_SECONDS", 0.5)
    result = scale.run(3000, 5, 1, None, lambda line: None)

    assert result["with a large backlog"]["ratio by CPU per event"] > 0
    assert result["with many subscriptions"]["ratio"] > 0
    assert result["private memory of a child (MB)"]["bare Celery"] > 1
    assert result["private memory of a child (MB)"]["events handled"] == 3000


def test_each_control_is_followed_by_workers_that_are_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "WATCHED", 0.5)
    monkeypatch.setattr(control, "ALONE", 3)
    told: list[str] = []
    result = control.run(1, None, told.append)

    assert list(result["controls"]) == list(control.CONTROLS)
    assert all(result["controls"].values()), "each has a time that can be told"
    assert result["slowest"] > 0
    assert len(told) == len(control.CONTROLS)


def test_a_benchmark_that_is_told_to_end_leaves_nothing_running() -> None:
    command = [
        sys.executable,
        "-m",
        "app",
        "bench",
        "publish",
        "--rounds",
        "1000",
        "--fsync",
        "off",
    ]
    bench = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert bench.stderr is not None
        while "round 1" not in bench.stderr.readline():  # the first round is told when it is over
            assert bench.poll() is None, "it ended by itself"
        started = psutil.Process(bench.pid).children(recursive=True)
        assert started, "its server"
        bench.terminate()
        while (
            bench.poll() is None
        ):  # as `timeout` does, which tells the group too: once more, while it ends
            bench.terminate()
            time.sleep(0.01)
        assert bench.wait(60) == 143
        end = time.monotonic() + 30
        while any(map(psutil.Process.is_running, started)):
            assert time.monotonic() < end, "its server lives on"
            time.sleep(0.05)
    finally:
        bench.kill()
        bench.wait()
