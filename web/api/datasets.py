"""/datasets: upload a table, see what became of it.

A file is spooled to disk by the form's parser and streamed from there to the
blob store; at no time is it in memory as a whole.
"""

from __future__ import annotations

from typing import Any

from flask import Response, request

from app.domain.datasets import LARGEST_UPLOAD
from app.errors import Refused
from web.api.forms import read_form, table_of
from web.api.models import found
from web.api.pages import rendered
from web.api.parameters import PAGE
from web.api.routes import Body, route
from web.api.shapes import TEXT, closed, many, obj, page_of
from web.auth import current_actor
from web.downloads import csv_file
from web.platform import current_platform

FILE = {"type": "string", "format": "binary"}
FORM = closed({"file": FILE, "name": TEXT, "target": TEXT}, evaluation=FILE,
              task={"enum": ["classification", "regression"]},
              header={"enum": ["true", "false"]})  # fmt: skip
RULES = obj({"version": {"type": "integer"}, "rules": many(TEXT)})
DATASET = obj({"name": TEXT}, versions=many(obj({"version": {"type": "integer"}})))


@route("POST", "/datasets", "publisher", status=202, may_fail=(413,), max_body=LARGEST_UPLOAD,
       answers=obj({"dataset": TEXT, "correlationid": TEXT}),
       body=Body(FORM, parsed=False, media=("multipart/form-data",)))  # fmt: skip
def upload_dataset() -> dict[str, Any]:
    """Upload a table; a run validates it, trains, evaluates and deploys a model."""
    read_form(FORM["properties"])
    file = table_of("file")
    evaluation = request.files.get("evaluation")
    done = current_platform().datasets.upload(
        file.stream,
        _required("name"),
        _required("target"),
        filename=file.filename,
        evaluation=evaluation.stream if evaluation and evaluation.filename else None,
        task=_choice("task", {"classification": "classification", "regression": "regression"}),
        header=_choice("header", {"true": True, "false": False}),
        actor=current_actor(),
    )
    return {"dataset": done["dataset"], "correlationid": done["correlationid"]}


@route("GET", "/datasets", "viewer", answers=page_of(DATASET), query=PAGE)
def list_datasets(limit: int, cursor: str | None) -> dict[str, Any]:
    """All datasets; newest first."""
    return rendered(current_platform().datasets.find(limit=limit, cursor=cursor))


@route("GET", "/datasets/<name>", "viewer", answers=DATASET, may_fail=(404,))
def get_dataset(name: str) -> Any:
    """One dataset: its versions, each with its report."""
    return found(current_platform().datasets.get(name), "dataset", name)


@route("GET", "/datasets/<name>/versions/<int:version>/rejected", "viewer", answers=TEXT,
       media="text/csv", may_fail=(404, 409))  # fmt: skip
def get_rejected_rows(name: str, version: int) -> Response:
    """The rows that validation left out, as CSV, each with its number and why."""
    rows = current_platform().datasets.rejected_rows(name, version)
    return csv_file(rows, f"{name}-{version}-rejected.csv")


@route("GET", "/datasets/<name>/rules", "viewer", answers=RULES)
def get_rules(name: str) -> Any:
    """The rules for the rows of a dataset's next upload."""
    return current_platform().datasets.rules(name)


@route("PUT", "/datasets/<name>/rules", "operator", answers=RULES,
       body=Body(closed({"rules": many(TEXT)})))  # fmt: skip
def set_rules(name: str, body: dict[str, Any]) -> Any:
    """Put other rules in place, such as `age between 0 and 120` or `no nulls in city`."""
    return current_platform().datasets.set_rules(name, body["rules"], current_actor())


def _required(name: str) -> str:
    value = request.form.get(name, "")
    if not value:
        raise Refused(f"The field `{name}` is missing.")
    return value


def _choice(name: str, choices: dict[str, Any]) -> Any:
    """The value of an optional field that takes one of a few words."""
    given = request.form.get(name, "")
    if given and given not in choices:
        raise Refused(f"{name} is {given[:40]!r}; it must be one of: {', '.join(choices)}.")
    return choices.get(given)
