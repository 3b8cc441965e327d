"""/models: versions, promotion, predictions."""

from __future__ import annotations

from typing import Any

from flask import Response

from app.domain.datasets import LARGEST_UPLOAD
from app.errors import NotFound
from web.api.forms import read_form, table_of
from web.api.pages import rendered
from web.api.parameters import PAGE
from web.api.routes import Body, route
from web.api.shapes import ANY_OBJECT, COUNT, MAYBE_COUNT, REASON, TEXT, closed, many, obj, page_of
from web.auth import current_actor, unaudited
from web.downloads import batch_result
from web.platform import current_platform

MOST_ROWS = 10_000

FORM = closed({"file": {"type": "string", "format": "binary"}})
VERSION = obj({"version": COUNT, "state": TEXT, "metrics": ANY_OBJECT})
MODEL = obj({"name": TEXT, "champion": MAYBE_COUNT}, versions=many(VERSION))
ROWS = closed({"rows": {**many(ANY_OBJECT), "minItems": 1, "maxItems": MOST_ROWS}})
WHY = closed({"reason": {"type": "string", "minLength": 1, "maxLength": 300}})
PREDICTION = obj({"value": {}}, probabilities={"type": ["object", "null"]})
PREDICTIONS = obj({"model": TEXT, "version": COUNT, "predictions": many(PREDICTION)})


@route("GET", "/models", "viewer", answers=page_of(MODEL), query=PAGE)
def list_models(limit: int, cursor: str | None) -> dict[str, Any]:
    """All models; newest first."""
    return rendered(current_platform().models.find(limit=limit, cursor=cursor))


@route("GET", "/models/<name>", "viewer", answers=MODEL, may_fail=(404,))
def get_model(name: str) -> Any:
    """One model with its versions, metrics and lineage."""
    return found(current_platform().models.get(name), "model", name)


@unaudited("a prediction changes nothing")
@route("POST", "/models/<name>/predict", "viewer", answers=PREDICTIONS, body=Body(ROWS),
       may_fail=(404, 409))  # fmt: skip
def predict(name: str, body: dict[str, Any]) -> Any:
    """Predictions of the champion, one for each row."""
    return current_platform().models.predict(name, body["rows"])


@route("POST", "/models/<name>/batches", "publisher", status=202, may_fail=(404, 409, 413),
       max_body=LARGEST_UPLOAD, answers=obj({"model": TEXT, "correlationid": TEXT}),
       body=Body(FORM, parsed=False, media=("multipart/form-data",)))  # fmt: skip
def predict_file(name: str) -> Any:
    """Have a whole CSV scored; its run ends with the event batch.completed."""
    read_form(FORM["properties"])
    file = table_of("file")
    models = current_platform().models
    return models.predict_file(file.stream, name, current_actor(), filename=file.filename)


@route("GET", "/models/<name>/batches/<correlationid>/result", "viewer", answers=TEXT,
       media="text/csv", may_fail=(404,))  # fmt: skip
def get_batch_result(name: str, correlationid: str) -> Response:
    """The file with its predictions, once the batch is completed."""
    return batch_result(name, correlationid)


@route("GET", "/models/<name>/versions/<int:version>", "viewer", answers=VERSION, may_fail=(404,))
def get_version(name: str, version: int) -> Any:
    """One version with its lineage: code, parameters, dataset, rows and person."""
    return current_platform().models.version(name, version)


@route("POST", "/models/<name>/versions/<int:version>/promote", "operator", answers=MODEL,
       body=Body(REASON, optional=True), may_fail=(404, 409))  # fmt: skip
def promote_version(name: str, version: int, body: dict[str, Any]) -> Any:
    """Make a version the champion."""
    models = current_platform().models
    models.promote(name, version, current_actor(), body.get("reason", ""))
    return models.get(name)


@route("POST", "/models/<name>/versions/<int:version>/approve", "operator", answers=MODEL,
       body=Body(WHY), may_fail=(404, 409))  # fmt: skip
def approve_version(name: str, version: int, body: dict[str, Any]) -> Any:
    """Say yes to a version that waits; its run goes on to the deployment."""
    models = current_platform().models
    models.approve(name, version, current_actor(), body["reason"])
    return models.get(name)


@route("POST", "/models/<name>/versions/<int:version>/reject", "operator", answers=MODEL,
       body=Body(WHY), may_fail=(404, 409))  # fmt: skip
def reject_version(name: str, version: int, body: dict[str, Any]) -> Any:
    """Say no to a version that waits; the champion stays."""
    models = current_platform().models
    models.reject(name, version, current_actor(), body["reason"])
    return models.get(name)


@route("GET", "/models/<name>/versions/<int:version>/evaluation", "viewer", answers=ANY_OBJECT,
       may_fail=(404,))  # fmt: skip
def get_evaluation(name: str, version: int) -> Any:
    """A version's curves, confusion, importance and slices."""
    return current_platform().models.evaluation(name, version)


@route("POST", "/models/<name>/rollback", "operator", answers=MODEL,
       body=Body(REASON, optional=True), may_fail=(404, 409))  # fmt: skip
def roll_back_model(name: str, body: dict[str, Any]) -> Any:
    """Make the champion before this one the champion again."""
    models = current_platform().models
    models.rollback(name, current_actor(), body.get("reason", ""))
    return models.get(name)


def found(value: Any, noun: str, name: str) -> Any:
    """`value`, or NotFound where it is None."""
    if value is None:
        raise NotFound(f"There is no {noun} {name!r}: `python -m app {noun}s list` shows all.")
    return value
