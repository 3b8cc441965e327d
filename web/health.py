"""Probes: /healthz (this process answers), /readyz (what it needs does), /metrics.

`/healthz` touches nothing outside the process, so that a router does not
kill web processes because Redis restarts; `/readyz` says what is missing.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from flask import Blueprint, Response, request

from app.telemetry.metrics import exposition
from web.auth import requires
from web.platform import current_platform
from web.rendering import answer

blueprint = Blueprint("health", __name__)

FORWARDED = ("X-Forwarded-For", "X-Real-Ip", "Forwarded")


@blueprint.get("/healthz")
def healthz() -> Response:
    return answer({"status": "ok"})


@blueprint.get("/readyz")
def readyz() -> Response:
    """200 where Redis and the database answer and the tables are up to date, else 503."""
    found: dict[str, Any] = dict(current_platform().health())
    checked = {name: found[name] for name in ("redis", "database", "migrations") if name in found}
    ready = all(state == "ok" for state in checked.values())
    response = answer({"ready": ready, **found}, 200 if ready else 503)
    if not ready:
        response.headers["Retry-After"] = "2"
    return response


@blueprint.get("/metrics")
def metrics() -> Any:
    """Prometheus's text format; for this machine, or with the scope `read`."""
    return _render() if _from_this_machine() else _render_to_known()


def _render() -> Response:
    text = exposition(current_platform())
    return Response(text, content_type="text/plain; version=0.0.4; charset=utf-8")


_render_to_known = requires("viewer")(_render)


def _from_this_machine() -> bool:
    """Whether the connection itself comes from here, and not through a proxy that does."""
    if any(name in request.headers for name in FORWARDED):
        return False
    original = request.environ.get("werkzeug.proxy_fix.orig", {})
    peer = original.get("REMOTE_ADDR") or request.remote_addr or ""
    try:
        return ipaddress.ip_address(peer).is_loopback
    except ValueError:
        return False
