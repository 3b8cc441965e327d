"""A version's evaluation as drawings and tables, from `platform.models.evaluation`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from web.console.words import plural
from web.drawing import plane
from web.drawing.histogram import bars

SHOWN_IMPORTANCE = 15
SHADES = 5


@dataclass(frozen=True)
class Drawing:
    title: str
    remark: str
    drawing: Markup
    legend: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Shade:
    """A cell of the confusion table: its count, and how dark it is from 0 to 5."""

    count: int
    shade: int
    right: bool


def drawings(details: Mapping[str, Any]) -> list[Drawing]:
    """What the task has: curves and calibration of classes, residuals of numbers."""
    found = []
    if details.get("roc"):
        lines = [plane.Curve(one["label"], one["points"]) for one in details["roc"]]
        chart = plane.curves("ROC", "false alarms", "found", lines, diagonal=True)
        found.append(Drawing("ROC", "The dotted line is guessing", chart, _legend(lines)))
    if details.get("pr"):
        lines = [plane.Curve(one["label"], one["points"]) for one in details["pr"]]
        chart = plane.curves("Precision and recall", "recall", "precision", lines, diagonal=False)
        found.append(Drawing("Precision and recall", "Higher is better", chart, _legend(lines)))
    if details.get("calibration"):
        points = [(one["said"], one["was"]) for one in details["calibration"]]
        lines = [plane.Curve("", points)]
        chart = plane.curves(
            "Calibration", "what it says", "how often it is so", lines, diagonal=True, dots=True
        )
        rows = round(sum(one["rows"] for one in details["calibration"]) / len(points))
        remark = f"On the dotted line, 70% means 7 in 10; about {plural(rows, 'row')} a dot"
        found.append(Drawing("Calibration", remark, chart))
    if details.get("residuals"):
        rest = details["residuals"]
        chart = plane.scatter("Residuals", "prediction", "truth less prediction", rest["points"])
        found.append(Drawing("Residuals", "Around 0 everywhere is good", chart))
        label = f"Errors from {rest['from']:g} to {rest['to']:g}"
        found.append(Drawing("Errors", label, bars(rest["histogram"], label, "in")))
    return found


def _legend(lines: Sequence[plane.Curve]) -> list[tuple[str, str]]:
    return [(plane.series_of(i), line.name) for i, line in enumerate(lines)]


def confusion(details: Mapping[str, Any]) -> list[tuple[str, list[Shade], Any]]:
    """A row for each class: its name, what the model said, and its recall."""
    table = details.get("confusion")
    if not table:
        return []
    rows = []
    for i, counts in enumerate(table["counts"]):
        whole = max(1, sum(counts))
        cells = [
            Shade(count, min(SHADES, -(-count * SHADES // whole)), i == j)
            for j, count in enumerate(counts)
        ]
        rows.append((table["labels"][i], cells, table["recall"][i]))
    return rows


def importance(details: Mapping[str, Any]) -> list[tuple[str, float, float, int]]:
    """The most important columns: name, loss, its spread, and its share of the largest in percent."""
    shown = [one for one in details.get("importance", []) if one["loss"] > 0][:SHOWN_IMPORTANCE]
    top = max([one["loss"] for one in shown], default=1.0)
    return [
        (one["column"], one["loss"], one.get("spread", 0.0), round(100 * one["loss"] / top))
        for one in shown
    ]
