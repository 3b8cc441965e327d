"""Files that people download: streamed, named, and never shown by the browser."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from flask import Response, stream_with_context

from app.errors import NotFound
from app.store.audit_export import lines as audit_lines
from web.platform import current_platform


def csv_file(lines: Iterable[str], filename: str) -> Response:
    """A CSV file from its lines. `filename` has no quotes: it is made of names of ours."""
    # The first line is taken now, so that what is wrong is told before an answer begins.
    rest: Iterator[str] = iter(lines)
    first = [line for line in (next(rest, None),) if line is not None]
    return Response(
        chain(first, rest),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{filename}"'},
    )


def audit_file(format: str, filters: dict[str, Any]) -> Response:
    """The audit log's entries that match, as CSV or JSON lines."""
    media = {"csv": "text/csv", "jsonl": "application/x-ndjson"}[format]
    rows = current_platform().audit.all(**filters)
    return Response(
        stream_with_context(audit_lines(rows, format)),
        mimetype=media,
        headers={"Content-Disposition": f'attachment; filename="penstock-audit.{format}"'},
    )


def batch_result(name: str, correlationid: str) -> Response:
    """A scored file, once its batch is completed. Raises NotFound."""
    platform = current_platform()
    page = platform.archive.find(
        type="batch.completed", subject=name, correlationid=correlationid, limit=1
    )
    if not page.items:
        raise NotFound(
            f"The batch {correlationid!r} of {name} has no result (yet): its run says how far it is."
        )
    return csv_file(_lines(page.items[0]["data"]["result"]), f"{name}-predictions.csv")


def _lines(ref: str) -> Iterator[str]:
    with current_platform().blobs.open(ref) as file:
        for line in file:
            yield line.decode()
