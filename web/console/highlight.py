"""JSON and tracebacks as coloured text, through Pygments with a class prefix of its own."""

from __future__ import annotations

import json
from typing import Any

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import JsonLexer, PythonTracebackLexer

MOST = 60_000
_FORMAT: HtmlFormatter[str] = HtmlFormatter(nowrap=True, classprefix="hl-")


def as_json(value: Any) -> str:
    """The value as indented JSON, in the order that it has."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def one_line(value: Any) -> str:
    """The value as JSON in one line, for a table."""
    return json.dumps(value, ensure_ascii=False, default=str)


def coloured_json(value: Any, most: int = MOST) -> Markup:
    text = as_json(value)
    return Markup(highlight(_shortened(text, most), JsonLexer(), _FORMAT))


def coloured_traceback(text: str | None) -> Markup:
    return Markup(highlight(_shortened(text or ""), PythonTracebackLexer(), _FORMAT))


def _shortened(text: str, most: int = MOST) -> str:
    """Colouring a megabyte helps nobody: the raw form, or the API, has the whole of it."""
    if len(text) <= most:
        return text
    return f"{text[:most]}\n… {len(text) - most:,} more characters; the raw form, or the API, has them all"
