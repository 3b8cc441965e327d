"""A training in a process of its own, which can be stopped at any moment:

    python -m app.ml.apart FOLDER

FOLDER holds `job.json` and `table`; `artefact` and `result.json` are written
there, and each step is one JSON line on standard output. When standard input
ends, whoever ordered the training is gone, and the process ends too.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

from app.errors import PenstockError
from app.ml import artefact, building
from app.ml.dialect import Dialect
from app.ml.reading import Table
from app.ml.schema import Schema
from app.ml.watching import Watch

ORPHANED = 3


def facts_of(built: building.Built) -> dict[str, Any]:
    """What a lineage says of a training."""
    return {
        "algorithm": built.trained.algorithm,
        "parameters": built.trained.parameters,
        "candidates": built.trained.candidates,
        "trained_on": built.rows,
        "held_out": built.held_out,
        "sampled_of": built.sampled_of,
        "seconds": built.trained.seconds,
    }


def build(file: Any, job: dict[str, Any], watch: Watch) -> tuple[bytes, dict[str, Any]]:
    """The artefact and the facts of a job: the dialect, the schema, and how to train."""
    built = building.build(
        Table(file, Dialect.from_dict(job["dialect"])),
        Schema.from_dict(job["schema"]),
        split=job["split"],
        expected_rows=job["rows"],
        chosen=job["parameters"],
        watch=watch,
    )
    watch("writing the model", 1.0)
    return artefact.dump(built.model), facts_of(built)


def _tell(step: str, share: float) -> None:
    sys.stdout.write(json.dumps({"step": step, "share": share}) + "\n")
    sys.stdout.flush()


def _end_with_parent(folder: Path) -> None:
    while os.read(0, 1):
        pass
    shutil.rmtree(folder, ignore_errors=True)  # nobody else will, any more
    os._exit(ORPHANED)


def main(arguments: list[str]) -> int:
    folder = Path(arguments[0])
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    try:
        with (folder / "table").open("rb") as file:
            content, result = build(file, json.loads((folder / "job.json").read_bytes()), _tell)
    except PenstockError as error:
        result = {"problem": str(error)}
    except MemoryError:
        result = {"problem": "There was not enough memory for the training."}
    else:
        (folder / "artefact").write_bytes(content)
    (folder / "result.json").write_text(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
