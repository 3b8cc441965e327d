"""`bench mlops`: from a table's upload to its deployed model, with a server and workers of its own.

Workers are started first, as they are where Penstock runs; the time counts
from the upload to the moment when the champion answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from app.bench.machine import Machine, machine
from app.errors import PenstockError

NAME = "bench"
LONGEST = 4 * 3600.0
LOOK = 0.1
HANDLERS = {"PENSTOCK_HANDLERS": "workers.handlers"}


class NoModel(PenstockError):
    """The run ended without a deployed model; the message says where and why."""


def run(
    train: Path,
    evaluation: Path | None,
    target: str,
    tell: Callable[[str], None],
    *,
    task: str | None = None,
    header: bool | None = None,
    fsync: str | None = "everysec",
    name: str = NAME,
) -> dict[str, Any]:
    """The deployed model's metrics, and how long each step took. Raises `NoModel`."""
    with machine(fsync) as ours:
        ours.start_workers(("default", "training", "system"), 1, environment=HANDLERS)
        begun = time.monotonic()
        with ExitStack() as stack:
            second = stack.enter_context(evaluation.open("rb")) if evaluation else None
            answer = ours.platform.datasets.upload(
                stack.enter_context(train.open("rb")),
                name,
                target,
                filename=train.name,
                evaluation=second,
                evaluation_filename=evaluation.name if evaluation else "",
                task=task,
                header=header,
                actor="bench",
            )
        seconds = _deployed(ours, name, answer["correlationid"], begun, tell)
        return _figures(ours, name, seconds)


def _deployed(
    ours: Machine, name: str, correlationid: str, begun: float, tell: Callable[[str], None]
) -> float:
    """Seconds until the champion was there."""
    told: set[str] = set()
    while (passed := time.monotonic() - begun) < LONGEST:
        if ours.platform.models.champion(name) is not None:
            return passed
        run = ours.platform.runs.get(correlationid)
        for step in run["steps"] if run else ():
            if step["event"] not in told:
                told.add(step["event"])
                tell(f"{passed:6.1f} s  {step['type']}")
        over = run is not None and run["state"] in ("failed", "succeeded", "cancelled")
        if run and over and ours.platform.models.champion(name) is None:
            raise NoModel(f"No model was deployed: {_why(ours, name, run)}")
        time.sleep(LOOK)
    raise NoModel(f"No model was deployed within {LONGEST:,.0f} seconds.")


def _why(ours: Machine, name: str, run: dict[str, Any]) -> str:
    errors = [step["error"] for step in run["steps"] if step["error"]]
    reasons = ours.platform.datasets.get(name)["versions"][0]["reasons"]
    return " ".join([f"the run ended with {run['outcome']}.", *reasons, *errors])


def _figures(ours: Machine, name: str, seconds: float) -> dict[str, Any]:
    version = ours.platform.models.get(name)["versions"][0]
    lineage = version["lineage"]
    return {
        "benchmark": "mlops, from upload to deployed",
        **ours.describe(),
        "rows": lineage["rows"],
        "tested on": f"{lineage['tested_on']:,} rows, {lineage['test_source']}",
        "algorithm": lineage["parameters"]["algorithm"],
        "metrics": version["metrics"],
        "intervals of 95 %": version["intervals"],
        "baseline": version["baseline"],
        "trained in (s)": lineage["seconds"],
        "deployed after (s)": round(seconds, 2),
    }
