"""Alerts: what is wrong by the rules now, what was, and the rules."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import render_template
from flask.typing import ResponseReturnValue

from app.alerts.rule import MEASURES, SEVERITIES
from app.alerts.words import value_text
from app.errors import Refused
from web.auth import current_actor, requires
from web.console.pages import act, blueprint, field, go, now, text_filter
from web.platform import current_platform

MUTES = (("900", "15 minutes"), ("3600", "1 hour"), ("28800", "8 hours"), ("86400", "1 day"),
         ("604800", "7 days"))  # fmt: skip
PAGE = 30


@blueprint.get("/alerts")
@requires("viewer")
def alerts() -> ResponseReturnValue:
    platform = current_platform()
    return render_template(
        "alerts.html",
        up=platform.alerts.find("raised", 200).items,
        over=platform.alerts.find("resolved", PAGE, text_filter("cursor")),
        rules=platform.alerts.rules(),
        measures=MEASURES,
        value_text=value_text,
        mutes=MUTES,
    )


@blueprint.get("/alerts/rules/<name>")
@requires("operator")
def alert_rule(name: str) -> ResponseReturnValue:
    return _form(current_platform().alerts.rule(name), name)


@blueprint.get("/alerts/rules")
@requires("operator")
def new_alert_rule() -> ResponseReturnValue:
    empty = {"name": "", "measure": "lag", "target": "", "above": 60, "clear": 30, "lasting": 60,
             "clear_lasting": 60, "severity": "warning", "enabled": True, "default": False,
             "problem": None, "mutes": []}  # fmt: skip
    return _form(empty, "")


def _form(rule: dict[str, Any], name: str) -> ResponseReturnValue:
    return render_template(
        "alert-rule.html", rule=rule, name=name, measures=MEASURES, severities=SEVERITIES
    )


@blueprint.post("/alerts/rules")
@requires("operator")
def set_alert_rule() -> ResponseReturnValue:
    changes: dict[str, Any] = {
        name: field(name) for name in ("measure", "target", "severity") if field(name) is not None
    }
    changes |= {name: _number(name) for name in ("above", "clear", "lasting", "clear_lasting")}
    changes["enabled"] = field("enabled") == "1"
    act(
        f"{field('name')} is in force now.",
        current_platform().alerts.set_rule,
        field("name"),
        changes,
        current_actor(),
    )
    return go("/alerts")


def _number(name: str) -> float:
    try:
        return float(field(name).replace(",", "."))
    except ValueError:
        raise Refused(f"{name} is {field(name)[:40]!r}: write a number, such as 60.") from None


@blueprint.post("/alerts/rules/<name>/remove")
@requires("operator")
def remove_alert_rule(name: str) -> ResponseReturnValue:
    act(
        f"{name} is removed; where it was a default, that is in force again.",
        current_platform().alerts.remove_rule,
        name,
        current_actor(),
    )
    return go("/alerts")


@blueprint.post("/alerts/rules/<name>/mute")
@requires("operator")
def mute_alert_rule(name: str) -> ResponseReturnValue:
    seconds = field("for")
    if seconds not in dict(MUTES):
        raise Refused(f"{seconds!r} is not offered: choose how long from the list.")
    act(
        f"{name} tells nobody until then.",
        current_platform().alerts.mute,
        name,
        current_actor(),
        now() + timedelta(seconds=int(seconds)),
        field("target"),
        field("reason"),
    )
    return go("/alerts")


@blueprint.post("/alerts/rules/<name>/unmute")
@requires("operator")
def unmute_alert_rule(name: str) -> ResponseReturnValue:
    act(
        f"{name} tells again.",
        current_platform().alerts.unmute,
        name,
        current_actor(),
        field("target"),
    )
    return go("/alerts")


@blueprint.post("/alerts/<id>/acknowledge")
@requires("operator")
def acknowledge_alert(id: str) -> ResponseReturnValue:
    act(
        "It is yours now; others see that.",
        current_platform().alerts.acknowledge,
        id,
        current_actor(),
        field("reason"),
    )
    return go("/alerts")
