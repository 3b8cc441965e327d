"""/alerts: what is wrong by the rules, who looks after it, and the rules themselves."""

from __future__ import annotations

from typing import Any

from app.alerts.rule import CHANGEABLE, MEASURES, SEVERITIES
from web.api.pages import rendered, sliced
from web.api.parameters import PAGE, Parameter
from web.api.positions import OUTCOMES
from web.api.routes import Body, route
from web.api.shapes import (
    FLAG,
    MAYBE_NUMBER,
    MAYBE_TEXT,
    MAYBE_TIME,
    NUMBER,
    TEXT,
    TIME,
    closed,
    many,
    obj,
    page_of,
)
from web.auth import current_actor
from web.platform import current_platform

NOTE = {"type": "string", "maxLength": 2000}
MUTE = obj({"rule": TEXT, "target": TEXT, "until": TIME, "by": TEXT, "at": TIME, "note": TEXT})
ALERT = obj({
    "id": TEXT, "state": {"enum": ["raised", "resolved"]}, "rule": TEXT, "measure": TEXT,
    "target": TEXT, "severity": {"enum": [*SEVERITIES]}, "summary": TEXT, "page": TEXT,
    "above": NUMBER, "value": MAYBE_NUMBER, "worst": NUMBER, "raised": TIME,
    "resolved": MAYBE_TIME, "reason": MAYBE_TEXT,
    "acknowledged": {"anyOf": [{"type": "null"}, obj({"by": TEXT, "at": TIME, "note": MAYBE_TEXT})]},
    "muted": {"anyOf": [{"type": "null"}, MUTE]},
})  # fmt: skip
RULE = obj({
    "name": TEXT, "measure": TEXT, "target": TEXT, "above": NUMBER, "clear": NUMBER,
    "lasting": NUMBER, "clear_lasting": NUMBER, "severity": TEXT, "enabled": FLAG,
    "default": FLAG, "changed_by": MAYBE_TEXT, "changed": MAYBE_TIME, "problem": MAYBE_TEXT,
    "mutes": many(MUTE),
})  # fmt: skip
AMOUNT = {"type": "number", "minimum": 0}
KINDS: dict[str, Any] = {
    "measure": {"enum": [*MEASURES]}, "target": {"type": "string", "maxLength": 200},
    "severity": {"enum": [*SEVERITIES]}, "enabled": FLAG,
}  # fmt: skip
CHANGES = {
    **closed({}, **{field: KINDS.get(field, AMOUNT) for field in CHANGEABLE}),
    "minProperties": 1,
}
STATE = Parameter("state", "Those that are up, or those that are over.", "text",
                  ("raised", "resolved"))  # fmt: skip


@route("GET", "/alerts", "viewer", follows=OUTCOMES, answers=page_of(ALERT), query=(STATE, *PAGE))
def find_alerts(state: str | None, limit: int, cursor: str | None) -> dict[str, Any]:
    """Alerts; newest first."""
    return rendered(current_platform().alerts.find(state, limit, cursor))


@route("GET", "/alerts/rules", "viewer", answers=page_of(RULE), query=PAGE)
def list_alert_rules(limit: int, cursor: str | None) -> dict[str, Any]:
    """The rules in force, each with its problem where it is broken."""
    return sliced(current_platform().alerts.rules(), limit, cursor)


@route("GET", "/alerts/rules/<name>", "viewer", answers=RULE, may_fail=(404,))
def get_alert_rule(name: str) -> Any:
    """One rule and its mutes."""
    return current_platform().alerts.rule(name)


@route("PUT", "/alerts/rules/<name>", "operator", answers=RULE, body=Body(CHANGES),
       may_fail=(422,))  # fmt: skip
def set_alert_rule(name: str, body: dict[str, Any]) -> Any:
    """Change a rule, or make it: a new one needs `measure` and `above`."""
    return current_platform().alerts.set_rule(name, body, current_actor())


@route("DELETE", "/alerts/rules/<name>", "operator", answers=obj({"removed": TEXT}),
       may_fail=(404, 409))  # fmt: skip
def remove_alert_rule(name: str) -> Any:
    """Take a rule away; one of the defaults is as it was."""
    current_platform().alerts.remove_rule(name, current_actor())
    return {"removed": name}


@route("POST", "/alerts/rules/<name>/mute", "operator", answers=MUTE, may_fail=(404,),
       body=Body(closed({"until": {"type": ["string", "number"]}}, target=TEXT, note=NOTE)))  # fmt: skip
def mute_alert_rule(name: str, body: dict[str, Any]) -> Any:
    """Tell nobody of its alerts (of one `target`, or all) until a time."""
    return current_platform().alerts.mute(
        name, current_actor(), body["until"], body.get("target", ""), body.get("note", "")
    )


@route("POST", "/alerts/rules/<name>/unmute", "operator", answers=RULE, may_fail=(404,),
       body=Body(closed({}, target=TEXT), optional=True))  # fmt: skip
def unmute_alert_rule(name: str, body: dict[str, Any]) -> Any:
    """Tell of its alerts again."""
    alerts = current_platform().alerts
    alerts.unmute(name, current_actor(), body.get("target", ""))
    return alerts.rule(name)


@route("GET", "/alerts/<id>", "viewer", follows=OUTCOMES, answers=ALERT, may_fail=(404,))
def get_alert(id: str) -> Any:
    """One alert and who looks after it."""
    return current_platform().alerts.get(id)


@route("POST", "/alerts/<id>/acknowledge", "operator", answers=ALERT, may_fail=(404, 409),
       body=Body(closed({}, note=NOTE), optional=True))  # fmt: skip
def acknowledge_alert(id: str, body: dict[str, Any]) -> Any:
    """Say that you look after it."""
    return current_platform().alerts.acknowledge(id, current_actor(), body.get("note", ""))
