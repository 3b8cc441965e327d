"""What a form gave, so that two of them can be told apart: its fields, and a digest of each file.

The form's parser has put a file on disk that is larger than half a megabyte; it is read from there in parts,
and stands at its beginning again afterwards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import IO

from flask import request

NEW_EACH_TIME = ("csrf_token",)


def of_form(without: Iterable[str] = NEW_EACH_TIME) -> list[list[str]]:
    """Its fields and files, in an order that doesn't hang on how they were sent."""
    left_out = {*without}
    fields = ([name, value] for name, value in request.form.items(multi=True))
    files = (
        [name, file.filename or "", _digest(file.stream)]
        for name, file in request.files.items(multi=True)
    )
    return sorted(one for one in (*fields, *files) if one[0] not in left_out)


def _digest(stream: IO[bytes]) -> str:
    found = hashlib.file_digest(stream, "sha256")  # type: ignore[arg-type]
    stream.seek(0)
    return found.hexdigest()
