"""Headers that every answer carries, and the caching of static files.

The policy allows what the console is made of and nothing else: its own
stylesheet, script and images, requests to itself. No inline script or style
runs, and nobody may frame a page. Static files are named with a hash of their
content (`?v=`), so that a browser may keep them for a year.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, request
from werkzeug.utils import safe_join

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

STRICT = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

YEAR = 31_536_000


def add_headers(app: Flask) -> None:
    """Set the strict headers and the caching of `app`'s answers."""

    @app.url_defaults
    def name_static_files_by_content(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and "v" not in values and app.static_folder:
            digest = content_hash(app.static_folder, values.get("filename", ""))
            if digest:
                values["v"] = digest

    @app.after_request
    def be_strict(response: Response) -> Response:
        for name, value in STRICT.items():
            response.headers.setdefault(name, value)
        if request.endpoint == "static":
            _cache_static(app, response)
        elif "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "no-store"
        return response


def _cache_static(app: Flask, response: Response) -> None:
    name = (request.view_args or {}).get("filename", "")
    current = content_hash(app.static_folder or "", name)
    if response.status_code in (200, 304) and current and request.args.get("v") == current:
        response.headers["Cache-Control"] = f"public, max-age={YEAR}, immutable"
    else:
        response.headers["Cache-Control"] = "no-cache"


def content_hash(folder: str, name: str) -> str | None:
    """Sixteen hex digits that change with the file, or None where there is no such file."""
    path = safe_join(folder, name)
    if path is None:
        return None
    try:
        status = Path(path).stat()
    except (OSError, ValueError):  # no file of ours has a NUL in its name
        return None
    return _hash_of(path, status.st_mtime_ns, status.st_size)


@cache
def _hash_of(path: str, changed: int, size: int) -> str | None:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
    except OSError:  # a folder
        return None
