"""Small tables made up for tests, by fixed seeds."""

from __future__ import annotations

import io
import random

from app.ml.reading import Table
from app.ml.report import Report
from app.ml.validation import validate


def csv(header: str, rows: list[str]) -> bytes:
    return ("\n".join([header, *rows]) + "\n").encode()


def two_classes(rows: int = 400, seed: int = 7) -> bytes:
    """`age` and `city` decide mostly whether somebody `stays`; some ages and cities are missing."""
    chance = random.Random(seed)
    lines = []
    for _ in range(rows):
        age, city = chance.randrange(18, 80), chance.choice(["Rome", "Oslo", "Bonn"])
        stays = age + (25 if city == "Oslo" else 0) + chance.gauss(0, 8) > 60
        shown_age = "" if chance.random() < 0.05 else age
        shown_city = "?" if chance.random() < 0.05 else city
        lines.append(f"{shown_age},{shown_city},{'yes' if stays else 'no'}")
    return csv("age,city,stays", lines)


def prices(rows: int = 300, seed: int = 7) -> bytes:
    """`price` follows `size` and `garden`."""
    chance = random.Random(seed)
    lines = []
    for _ in range(rows):
        size, garden = chance.uniform(20, 200), chance.choice(["yes", "no"])
        price = 1000 * size + (40_000 if garden == "yes" else 0) + chance.gauss(0, 5000)
        lines.append(f"{size:.1f};{garden};{price:.2f}")
    return csv("size;garden;price", lines)


def judged(data: bytes, target: str, **options: object) -> Report:
    second = options.pop("evaluation", None)
    if isinstance(second, bytes):
        options["evaluation"] = io.BytesIO(second)
    return validate(io.BytesIO(data), target, **options)  # type: ignore[arg-type]


def accepted(data: bytes, target: str, **options: object) -> tuple[Table, Report]:
    """The table, ready to be read, and the report that accepted it."""
    report = judged(data, target, **options)
    assert report.accepted, report.reasons
    assert report.dialect
    return Table(io.BytesIO(data), report.dialect), report
