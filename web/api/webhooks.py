"""/webhooks: HTTP endpoints as subscriptions. What holds for any subscription is under /subscriptions."""

from __future__ import annotations

from typing import Any

from web.api.pages import sliced
from web.api.parameters import PAGE
from web.api.routes import Body, route
from web.api.shapes import FLAG, MAYBE_TIME, TEXT, closed, many, obj, page_of
from web.auth import current_actor
from web.platform import current_platform
from web.rendering import instant

WEBHOOK = obj({"name": TEXT, "url": TEXT, "types": many(TEXT), "filter": {}, "active": FLAG,
               "renewed": MAYBE_TIME})  # fmt: skip
SECRET = obj({"name": TEXT, "secret": TEXT})
TYPES = {**many(TEXT), "minItems": 1, "maxItems": 100}
URL = {"type": "string", "maxLength": 2000}


@route("GET", "/webhooks", "viewer", answers=page_of(WEBHOOK), query=PAGE)
def list_webhooks(limit: int, cursor: str | None) -> dict[str, Any]:
    """Every webhook. Only operators see its address whole."""
    return sliced([_shown(row) for row in current_platform().webhooks.list()], limit, cursor)


@route("GET", "/webhooks/<name>", "viewer", answers=WEBHOOK, may_fail=(404,))
def get_webhook(name: str) -> dict[str, Any]:
    """One webhook."""
    return _shown(current_platform().webhooks.get(name))


@route("POST", "/webhooks", "administrator", status=201, answers=SECRET, once=False, may_fail=(409,),
       body=Body(closed({"name": {"type": "string", "maxLength": 100}, "url": URL, "types": TYPES},
                        filter={"type": ["object", "array", "null"]},
                        start={"enum": ["now", "earliest"]})))  # fmt: skip
def create_webhook(body: dict[str, Any]) -> dict[str, Any]:
    """Send events of these types to an HTTPS address, signed as Standard Webhooks does it.

    The answer has the secret; it is never shown again.
    """
    name, url, types = body.pop("name"), body.pop("url"), body.pop("types")
    secret = current_platform().webhooks.create(name, url, types, current_actor(), **body)
    return {"name": name, "secret": secret}


@route("PATCH", "/webhooks/<name>", "administrator", answers=WEBHOOK, may_fail=(404,),
       body=Body({**closed({}, url=URL, types=TYPES), "minProperties": 1}))  # fmt: skip
def change_webhook(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Another address, or other types; its other settings are changed as any subscription's."""
    return _shown(current_platform().webhooks.change(name, current_actor(), **body))


@route("POST", "/webhooks/<name>/secret", "administrator", answers=SECRET, once=False, may_fail=(404,),
       body=Body(closed({}), optional=True))  # fmt: skip
def renew_secret(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """A new secret, shown once; for a day requests bear the signature of the old one too."""
    return {"name": name, "secret": current_platform().webhooks.renew(name, current_actor())}


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    renewed = row["webhook"]["renewed"]
    return {
        **{field: row[field] for field in ("name", "types", "filter", "active")},
        "url": row["webhook"]["url"],
        "renewed": None if renewed is None else instant(renewed),
    }
