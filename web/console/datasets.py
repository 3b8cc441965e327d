"""Datasets: the upload, the list, and one with its validation reports."""

from __future__ import annotations

from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue

from app.domain.datasets import LARGEST_UPLOAD
from app.domain.progress import under_way
from app.errors import Conflict, NotFound, Refused
from web.auth import accepts_body, current_actor, requires
from web.console import words
from web.console.pages import act, blueprint, field, go, query, say, text_filter
from web.console.runs import at_work
from web.downloads import csv_file
from web.drawing import histogram
from web.platform import current_platform


@blueprint.get("/datasets")
@requires("viewer")
def datasets() -> ResponseReturnValue:
    page = current_platform().datasets.find(limit=50, cursor=text_filter("cursor"))
    return render_template("datasets.html", page=page, form=request.args)


@blueprint.post("/datasets")
@requires("operator")
@accepts_body(LARGEST_UPLOAD)
def upload_dataset() -> ResponseReturnValue:
    file, evaluation = request.files.get("file"), request.files.get("evaluation")
    if file is None or not file.filename:
        raise Refused("Choose a file: a table as CSV or Parquet, with a column to predict.")
    if not field("name") or not field("target"):
        raise Refused("A dataset needs a name, and the name of the column to predict.")
    answer = current_platform().datasets.upload(
        file.stream,
        field("name"),
        field("target"),
        filename=file.filename,
        evaluation=evaluation.stream if evaluation and evaluation.filename else None,
        task=field("task") or None,
        header={"true": True, "false": False}.get(field("header")),
        actor=current_actor(),
    )
    say(f"{answer['dataset']} was uploaded. This is its run; it updates by itself.")
    return go(
        f"/datasets/{words.segment(answer['dataset'])}{query({'run': answer['correlationid']})}"
    )


def run_of(correlationid: str) -> dict[str, Any] | None:
    """The run, with what is at work in it now."""
    found = current_platform().runs.get(correlationid)
    if found is not None:
        found["steps"] = at_work(found["steps"])
    return found


@blueprint.post("/datasets/<name>/rules")
@requires("operator")
def set_rules(name: str) -> ResponseReturnValue:
    act(
        "These rules hold from the next upload on.",
        current_platform().datasets.set_rules, name, field("rules").splitlines(), current_actor(),
    )  # fmt: skip
    return go(f"/datasets/{words.segment(name)}")


@blueprint.get("/datasets/<name>")
@requires("viewer")
def dataset(name: str) -> ResponseReturnValue:
    platform = current_platform()
    found = platform.datasets.get(name)
    if found is None:
        raise NotFound(f"There is no dataset {name!r}: the page Datasets lists them.")
    correlationid = text_filter("run") or next(
        (v["correlationid"] for v in found["versions"] if v.get("correlationid")), None
    )
    return render_template(
        "dataset.html",
        dataset=found,
        run=run_of(correlationid) if correlationid else None,
        correlationid=correlationid,
        progress=under_way(platform.archive, correlationid) if correlationid else None,
        histogram=histogram.of_column,
        rules=platform.datasets.rules(name),
        models=models_of(name),
    )


def models_of(name: str) -> dict[int, list[dict[str, Any]]]:
    """The versions of the dataset's model by the dataset's version that they learned from."""
    found: dict[int, list[dict[str, Any]]] = {}
    try:
        versions = current_platform().models.get(name)["versions"]
    except (NotFound, Conflict):
        return {}  # nothing was trained on it yet
    for version in versions:
        learned_from = (version.get("lineage") or {}).get("dataset_version", 0)
        found.setdefault(learned_from, []).append(version)
    return found


@blueprint.get("/datasets/<name>/<int:version>/rejected.csv")
@requires("viewer")
def rejected_rows(name: str, version: int) -> ResponseReturnValue:
    rows = current_platform().datasets.rejected_rows(name, version)
    return csv_file(rows, f"{name}-{version}-rejected.csv")
