"""Files that people download: streamed, named, and never shown by the browser."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from flask import Response


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
