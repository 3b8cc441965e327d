"""Addresses with ids in them: a slash that belongs to an id is told from one that parts an address.

Our links write an id as one segment, with its slashes as `%2F`. A WSGI server decodes the path
before anybody routes it, and then the event `order/raw` has the address of the raw form of the
event `order`. So routes are matched with the path as it was written, where the server hands that
on (gunicorn does). Where it doesn't, or a router on the way has decoded it, an address means what
its decoded form does.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from flask import Flask, Request
from werkzeug.routing import MapAdapter, PathConverter, UnicodeConverter

WITHIN = "\ufdd0"
"""Stands for a slash within an id while routes are matched: no text may contain it."""
_ENCODED = re.compile("%2f", re.IGNORECASE)


class _Text(UnicodeConverter):
    def to_python(self, value: str) -> Any:
        return super().to_python(value).replace(WITHIN, "/")


class _Path(PathConverter):
    def to_python(self, value: str) -> Any:
        return super().to_python(value).replace(WITHIN, "/")


class Addressed(Flask):
    """A Flask app whose routes tell a `%2F` from a slash."""

    def __init__(self, *arguments: Any, **named: Any):
        super().__init__(*arguments, **named)
        self.url_map.merge_slashes = False  # an event's id may be a URL
        self.url_map.converters.update(default=_Text, string=_Text, path=_Path)

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        adapter = super().create_url_adapter(request)
        if adapter is not None and request is not None:
            written = path_of(request)
            if _ENCODED.search(written):
                adapter.path_info = unquote(_ENCODED.sub(quote(WITHIN), written))
        return adapter


def path_of(request: Request) -> str:
    """The path of a request as it was written: an address that leads to the same page."""
    written = urlsplit(str(request.environ.get("RAW_URI", ""))).path
    plain = quote(request.path, safe="/:@!$&'()*+,;=~")
    # What stands before us may have changed the path and not this.
    return written if unquote(written) == request.path else plain


def address_of(request: Request) -> str:
    """The same with its query: for a form to come back to."""
    asked = request.query_string.decode("latin-1")
    return f"{path_of(request)}?{asked}" if asked else path_of(request)
