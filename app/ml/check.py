"""The check before a promotion, in a process that knows nothing of the training:

    python -m app.ml.check ARTEFACT SAMPLE

Loads the artefact through the allow-list, scores the sample's rows as a client
sends them, and compares with what was recorded at the evaluation. Prints one
JSON object; exit status 0 where all agree, 1 otherwise.
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

from app.errors import PenstockError

TOLERANCE = 1e-5


def check(artefact: bytes, sample: dict[str, Any]) -> dict[str, Any]:
    """`{"ok", "rows", "seconds", "problem"}`."""
    from app.ml.artefact import load
    from app.ml.scoring import Scorer

    started = time.monotonic()
    rows, recorded = sample["rows"], sample["predictions"]
    predictions, problems = Scorer(load(artefact)).score(rows)
    problem = None
    if not rows:
        problem = "There are no rows to check with."
    elif problems:
        problem = f"Row {problems[0].row} can't be scored: {problems[0].problem}."
    else:
        differing = [
            i
            for i, (new, old) in enumerate(zip(predictions, recorded, strict=True))
            if not _same(new, old)
        ]
        if differing:
            problem = (
                f"{len(differing)} of {len(rows)} predictions differ from those recorded, "
                f"first at row {differing[0]}."
            )
    return {
        "ok": problem is None,
        "rows": len(rows),
        "seconds": round(time.monotonic() - started, 3),
        "problem": problem,
    }


def _same(new: Any, old: Any) -> bool:
    if isinstance(new, dict) and isinstance(old, dict):
        return new.keys() == old.keys() and all(_same(new[key], old[key]) for key in new)
    if isinstance(new, float) and isinstance(old, (int, float)):
        return math.isclose(new, old, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(new == old)


def main(arguments: list[str]) -> int:
    artefact, sample = (Path(name) for name in arguments)
    try:
        result = check(artefact.read_bytes(), json.loads(sample.read_bytes()))
    except PenstockError as error:
        result = {"ok": False, "rows": 0, "seconds": 0.0, "problem": str(error)}
    sys.stdout.write(json.dumps(result))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
