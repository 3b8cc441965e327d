"""Scoring a whole file with a model's champion, in chunks and bounded memory.

The result is the file as it came, with `prediction`, `probability`,
`model_version` and `problem` beside its columns. A bad row has a problem and no
prediction; the others are scored. Cells stay text for whoever opens the result.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from app.domain.cancelling import Cancelled
from app.domain.events import BatchCompleted, BatchFailed, BatchRequested
from app.domain.serving import Serving
from app.errors import Conflict, NotFound
from app.ml.chunk import Row
from app.ml.errors import Incompatible, Unreadable
from app.ml.matching import matched
from app.ml.reading import Table
from app.ml.report import counted
from app.ml.scoring import Scorer
from app.ml.watching import Watch
from app.spreadsheet import line
from app.store.blobs import BlobStore

ADDED = ("prediction", "probability", "model_version", "problem")


def predict_file(
    blobs: BlobStore, serving: Serving, batch: BatchRequested, watch: Watch
) -> BatchCompleted | BatchFailed:
    """Raises what the blob store or the allow-list raise."""
    try:
        champion = serving.current(batch.model)
        with blobs.open(batch.file) as file, tempfile.TemporaryFile() as out:
            schema = serving.scorer(champion).model.schema
            table = Table.open(
                file, header=batch.header, target=schema.features[0].name, like=schema.like
            )
            names, notes = matched(table.dialect, schema)
            scorer = Scorer(serving.scorer(champion).model, table.dialect.decimal)
            out.write(line([*table.columns, *ADDED]).encode())
            rows = failed = 0
            for some in table.every_row(watch, "scoring"):
                for cells, found, problem in scored(scorer, names, some):
                    added = _added(found, champion.version, problem)
                    out.write(line([*cells, *added]).encode())
                    failed += found is None
                rows += len(some)
            if not rows:
                raise Unreadable("The file has no rows below its first line: nothing to score.")
            out.seek(0)
            result = blobs.put(out)
    except (NotFound, Conflict, Unreadable, Incompatible, Cancelled) as error:
        return BatchFailed(model=batch.model, file=batch.file, reason=str(error), by=batch.by)
    return BatchCompleted(
        model=batch.model,
        version=champion.version,
        rows=rows,
        failed=failed,
        file=batch.file,
        result=result,
        filename=batch.filename,
        notes=notes,
        by=batch.by,
    )


def scored(
    scorer: Scorer, names: Sequence[str], rows: Sequence[Row]
) -> Iterator[tuple[Row, dict[str, Any] | None, str]]:
    """Each row at the file's width, with its prediction or None, and the problem that it has."""
    width = len(names)
    shaped = [i for i, cells in enumerate(rows) if len(cells) == width]
    predictions, problems = scorer.score([dict(zip(names, rows[i], strict=True)) for i in shaped])
    found = dict(zip(shaped, predictions, strict=True))
    told = {shaped[problem.row]: problem.problem for problem in problems}
    for i, cells in enumerate(rows):
        if len(cells) == width:
            yield cells, found[i], told.get(i, "")
        else:
            fitted = [*cells, *[""] * (width - len(cells))][:width]
            yield fitted, None, f"{counted(len(cells), 'cell')} instead of {width}"


def _added(found: dict[str, Any] | None, version: int, problem: str) -> list[str]:
    if found is None:
        return ["", "", str(version), problem]
    share = found.get("probabilities", {}).get(found["value"])
    return [str(found["value"]), "" if share is None else f"{share:g}", str(version), ""]
