"""Scoring a whole file with a model's champion, in chunks and bounded memory.

The result is the file as it came, with `prediction`, `probability`,
`model_version` and `problem` beside its columns. A bad row has a problem and no
prediction; the others are scored. Cells stay text for whoever opens the result.
"""

from __future__ import annotations

import tempfile
from typing import Any

from app.domain.events import BatchCompleted, BatchFailed, BatchRequested
from app.domain.serving import Serving
from app.errors import Conflict, NotFound
from app.ml import parquet
from app.ml.errors import Unreadable
from app.ml.reading import Table
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
        scorer = serving.scorer(champion)
        with blobs.open(batch.file) as file, tempfile.TemporaryFile() as out:
            first = scorer.model.schema.features[0].name
            table = Table.open(file, header=batch.header, target=first)
            if table.dialect.encoding == parquet.ENCODING:
                scorer = Scorer(
                    scorer.model, table.dialect.decimal
                )  # numbers, not a country's text
            out.write(line([*table.columns, *ADDED]).encode())
            rows = failed = 0
            for chunk in table.told(watch, "scoring"):
                given = [dict(zip(table.columns, cells, strict=True)) for cells in chunk]
                predictions, problems = scorer.score(given)
                told = {problem.row: problem.problem for problem in problems}
                for i, (cells, found) in enumerate(zip(chunk, predictions, strict=True)):
                    added = _added(found, champion.version, told.get(i, ""))
                    out.write(line([*cells, *added]).encode())
                rows, failed = rows + len(chunk), failed + len(problems)
            out.seek(0)
            result = blobs.put(out)
    except (NotFound, Conflict, Unreadable) as error:
        return BatchFailed(model=batch.model, file=batch.file, reason=str(error), by=batch.by)
    return BatchCompleted(
        model=batch.model,
        version=champion.version,
        rows=rows,
        failed=failed,
        file=batch.file,
        result=result,
        filename=batch.filename,
        by=batch.by,
    )


def _added(found: dict[str, Any] | None, version: int, problem: str) -> list[str]:
    if found is None:
        return ["", "", str(version), problem]
    share = found.get("probabilities", {}).get(found["value"])
    return [str(found["value"]), "" if share is None else f"{share:g}", str(version), ""]
