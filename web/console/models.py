"""Models: versions with their metrics against baseline and champion, lineage, and the alias."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue

from app.domain.datasets import LARGEST_UPLOAD
from app.errors import NotFound, Refused
from web.auth import accepts_body, current_actor, requires
from web.console import evaluation, words
from web.console.pages import act, blueprint, field, go, say, text_filter
from web.downloads import batch_result
from web.platform import current_platform

SMALLER_IS_BETTER = ("rmse", "mae", "mse", "log_loss", "logloss", "brier")


@blueprint.get("/models")
@requires("viewer")
def models() -> ResponseReturnValue:
    page = current_platform().models.find(limit=50, cursor=text_filter("cursor"))
    return render_template("models.html", page=page)


@blueprint.get("/models/<name>")
@requires("viewer")
def model(name: str) -> ResponseReturnValue:
    found = fetch(name)
    versions = sorted(found["versions"], key=lambda v: -v["version"])
    names = list(dict.fromkeys(m for v in versions for m in (v.get("metrics") or {})))
    best = next((v for v in versions if v["version"] == found["champion"]), None)
    batches = current_platform().archive.find(type="batch.completed", subject=name, limit=10).items
    shown = _shown(versions, found["champion"])
    details = current_platform().models.evaluation(name, shown["version"]) if shown else {}
    return render_template(
        "model.html",
        model=found,
        versions=versions,
        champion=best,
        earlier=took_over_from(found),
        metrics=names,
        batches=batches,
        shown=shown,
        drawn=evaluation.drawings(details),
        confusion=evaluation.confusion(details),
        details=details,
        importance=evaluation.importance(details),
        example=example_for(name, best),
        better=lambda metric, value, against: better(metric, value, against),
    )


@dataclass(frozen=True)
class Example:
    """A request's body, and how many columns it lacks."""

    text: str
    more: int


def example_for(name: str, version: Mapping[str, Any] | None) -> Example | None:
    """A row such as the version learned from: the usual value of each column, nobody's own row."""
    if version is None:
        return None
    learned_from = (version.get("lineage") or {}).get("dataset_version")
    try:
        uploads = current_platform().datasets.get(name)["versions"]
    except NotFound:
        return None
    report = next((u["report"] for u in uploads if u["version"] == learned_from), None) or {}
    columns = [c for c in report.get("profile", ()) if not c.get("target")]
    row = {c["name"]: usual(c) for c in columns if c["type"] != "left out"}
    if not row:
        return None
    pairs = (f"{json.dumps(k)}: {json.dumps(v)}" for k, v in row.items())
    text = '{"rows": [{\n  ' + ",\n  ".join(pairs) + "\n}]}"
    return Example(text, max(0, report.get("columns", 0) - len(columns) - 1))


def usual(column: Mapping[str, Any]) -> Any:
    """The mean of numbers, the first date, the most common text."""
    if column.get("mean") is not None:
        mean = float(f"{column['mean']:.4g}")
        return int(mean) if mean.is_integer() else mean
    if column.get("first"):
        return column["first"]
    return column["common"][0][0] if column.get("common") else None


def _shown(versions: Sequence[Any], champion: int | None) -> Any:
    """The version whose evaluation is drawn: the one asked for, what waits, else the champion."""
    wanted = text_filter("version")
    for fits in (
        lambda v: str(v["version"]) == wanted,
        lambda v: v["state"] == "waiting",
        lambda v: v["version"] == champion,
    ):
        if found := next(filter(fits, versions), None):
            return found
    return versions[0] if versions else None


def took_over_from(model: Mapping[str, Any]) -> int | None:
    """The version to roll back to: whom the champion took over from, not counting ways back."""
    for promotion in model.get("promotions") or ():
        if promotion["version"] == model["champion"] and not promotion["back"]:
            earlier: int | None = promotion["previous"]
            return earlier
    return None


def fetch(name: str) -> dict[str, Any]:
    found = current_platform().models.get(name)
    if found is None:
        raise NotFound(f"There is no model {name!r}: the page Models lists them.")
    return dict(found)


def better(metric: str, value: Any, against: Mapping[str, Any] | None) -> str:
    """`+0.0080` and the like: how far a metric is from another version's, with its sign."""
    other = (against or {}).get(metric)
    if not isinstance(value, (int, float)) or not isinstance(other, (int, float)):
        return ""
    difference = value - other
    if abs(difference) < 0.00005:
        return "same"
    good = (difference < 0) == (metric in SMALLER_IS_BETTER)
    return f"{difference:+.4f} {'better' if good else 'worse'}"


@blueprint.post("/models/<name>/versions/<int:version>/promote")
@requires("operator")
def promote(name: str, version: int) -> ResponseReturnValue:
    act(
        f"Version {version} of {name} is the champion now; every worker takes it within a second.",
        current_platform().models.promote, name, version, current_actor(), field("reason"),
    )  # fmt: skip
    return go(f"/models/{words.segment(name)}")


@blueprint.post("/models/<name>/versions/<int:version>/approve")
@requires("operator")
def approve(name: str, version: int) -> ResponseReturnValue:
    act(
        f"Version {version} of {name} is approved; its run goes on to the deployment.",
        current_platform().models.approve, name, version, current_actor(), field("reason"),
    )  # fmt: skip
    return go(f"/models/{words.segment(name)}")


@blueprint.post("/models/<name>/versions/<int:version>/reject")
@requires("operator")
def reject(name: str, version: int) -> ResponseReturnValue:
    act(
        f"Version {version} of {name} is rejected; the champion stays.",
        current_platform().models.reject, name, version, current_actor(), field("reason"),
    )  # fmt: skip
    return go(f"/models/{words.segment(name)}")


@blueprint.post("/models/<name>/batches")
@requires("operator")
@accepts_body(LARGEST_UPLOAD)
def predict_file(name: str) -> ResponseReturnValue:
    file = request.files.get("file")
    if file is None or not file.filename:
        raise Refused("Choose a file: a table as CSV with the columns that the model learned from.")
    answer = current_platform().models.predict_file(
        file.stream, name, current_actor(), filename=file.filename
    )
    say(f"{file.filename} is being scored. This is its run; the result is on the model's page.")
    return go(f"/runs/{words.segment(answer['correlationid'])}")


@blueprint.get("/models/<name>/batches/<correlationid>.csv")
@requires("viewer")
def batch(name: str, correlationid: str) -> ResponseReturnValue:
    return batch_result(name, correlationid)


@blueprint.post("/models/<name>/rollback")
@requires("operator")
def roll_back(name: str) -> ResponseReturnValue:
    act(
        f"{name} is back at its champion before; every worker takes it within a second.",
        current_platform().models.rollback, name, current_actor(), field("reason"),
    )  # fmt: skip
    return go(f"/models/{words.segment(name)}")
