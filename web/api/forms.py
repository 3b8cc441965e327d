"""Multipart forms: a field that a route does not know is refused, as an unknown parameter is."""

from __future__ import annotations

from collections.abc import Iterable

from flask import request
from werkzeug.datastructures import FileStorage

from app.errors import Refused
from web.problems import Unsupported


def read_form(fields: Iterable[str]) -> None:
    """Raise `Unsupported` or `Refused` where the body is not a form of these fields."""
    if request.mimetype != "multipart/form-data":
        kind = request.mimetype or "a body without a content type"
        raise Unsupported(f"The body is {kind}; send multipart/form-data.")
    known = [*fields]
    for name in (*request.form, *request.files):
        if name not in (*known, "csrf_token", "form_key"):
            raise Refused(f"There is no field {name[:80]!r}; it takes: {', '.join(known)}.")


def table_of(name: str) -> FileStorage:
    """The file of this field. Raises `Refused` where it is missing."""
    file = request.files.get(name)
    if file is None or not file.filename:
        raise Refused(f"The field `{name}` is missing: send the table as a file.")
    return file
