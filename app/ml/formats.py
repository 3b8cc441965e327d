"""Files that are something else than a table, whatever their names say: told by their first lines."""

from __future__ import annotations

import re
from collections.abc import Sequence

from app.ml.errors import Unreadable

LINES = 20
LENGTH = 2000
_HTML = re.compile(r"<(!doctype html|html|head|body|title|meta|script)\b")
_MARKUP = re.compile(r"<(\?xml|!doctype|!--|svg|rss|feed)")
_JSON = re.compile(r"\{\s*[\"}]|\[\s*[\[{]")


def refuse_other_formats(lines: Sequence[str]) -> None:
    """Raises `Unreadable`, which says what it is and what to upload instead."""
    start = "".join(lines[:LINES]).lstrip("\ufeff \t\r\n")[:LENGTH].lower()
    if start.startswith("<") and (_HTML.search(start) or _MARKUP.match(start)):
        kind = "an HTML page" if _HTML.search(start) else "an XML document"
        raise Unreadable(
            f"This is {kind}, not a table. Open the address that you downloaded it from and "
            "save the CSV file itself."
        )
    if _JSON.match(start):
        raise Unreadable("This is JSON, not a CSV file. Save the table as CSV and upload that.")
    if start.startswith("{\\rtf"):
        raise Unreadable("This is an RTF text, not a CSV file. Save the table as CSV.")
