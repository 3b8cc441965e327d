"""The outcome of a validation: a verdict, its reasons, and what the table holds.

Every reason and every note is a sentence for a person. `summary()` is small
enough for an event; `to_dict()` has everything, the schema included, and goes
to the blob store.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from app.ml.dialect import Dialect
from app.ml.schema import Schema

SUMMARY_COLUMNS = 200
SUMMARY_CLASSES = 50
SUMMARY_CHANGES = 100


@dataclass
class Report:
    """`reasons` says why the table was rejected; empty means accepted. `warnings` are what a person
    should look at before they believe the model, `notes` what was decided. `changes` are against
    the upload `compared_with`; `reference` is for the next one."""

    reasons: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    rows: int = 0
    misshapen: int = 0
    without_target: int = 0
    breaking: int = 0
    duplicates: int = 0
    duplicates_estimated: bool = False
    profile: list[dict[str, Any]] = field(default_factory=list)
    classes: dict[str, int] = field(default_factory=dict)
    dialect: Dialect | None = None
    evaluation_dialect: Dialect | None = None
    evaluation_rows: int | None = None
    target: str | None = None
    schema: Schema | None = None
    compared_with: int | None = None
    changes: list[dict[str, Any]] = field(default_factory=list)
    reference: dict[str, Any] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        return not self.reasons

    def summary(self) -> dict[str, Any]:
        """What people look at first; wide tables are cut, and a note says so."""
        notes = list(self.notes)
        if len(self.profile) > SUMMARY_COLUMNS:
            notes.append(
                f"Only the first {SUMMARY_COLUMNS} of {len(self.profile)} columns are shown here."
            )
        dialect = self.dialect
        return {
            "verdict": "accepted" if self.accepted else "rejected",
            "rows": self.rows,
            "columns": len(dialect.columns) if dialect else 0,
            "target": self.target,
            "task": self.schema.task if self.schema else None,
            "classes": dict(list(self.classes.items())[:SUMMARY_CLASSES]),
            "encoding": dialect.encoding if dialect else None,
            "delimiter": dialect.delimiter if dialect else None,
            "decimal": dialect.decimal[:1] if dialect else None,
            "thousands": dialect.decimal[1:] if dialect else None,
            "header": dialect.header if dialect else None,
            "misshapen_rows": self.misshapen,
            "rows_breaking_rules": self.breaking,
            "rules": list(dialect.rules) if dialect else [],
            "rows_without_target": self.without_target,
            "duplicate_rows": self.duplicates,
            "duplicates_are_estimated": self.duplicates_estimated,
            "evaluation_rows": self.evaluation_rows,
            "profile": self.profile[:SUMMARY_COLUMNS],
            "notes": notes,
            "warnings": list(self.warnings),
            "compared_with": self.compared_with,
            "changes": self.changes[:SUMMARY_CHANGES],
            "changes_in_all": len(self.changes),
            "reasons": list(self.reasons),
        }

    def to_dict(self) -> dict[str, Any]:
        return {
            **self.summary(),
            "notes": self.notes,
            "changes": self.changes,
            "reference": self.reference,
            "profile": self.profile,
            "classes": self.classes,
            "dialect": self.dialect.to_dict() if self.dialect else None,
            "evaluation_dialect": self.evaluation_dialect.to_dict()
            if self.evaluation_dialect
            else None,
            "schema": self.schema.to_dict() if self.schema else None,
        }


@dataclass(frozen=True)
class Plan:
    """What an accepted report says about reading the table again."""

    schema: Schema
    dialect: Dialect
    evaluation_dialect: Dialect | None
    rows: int
    evaluation_rows: int = 0

    @classmethod
    def of(cls, report: dict[str, Any]) -> Plan:
        """From `Report.to_dict()` of an accepted table."""
        second = report["evaluation_dialect"]
        return cls(
            Schema.from_dict(report["schema"]),
            Dialect.from_dict(report["dialect"]),
            Dialect.from_dict(second) if second else None,
            report["rows"],
            report["evaluation_rows"] or 0,
        )


def counted(n: int, noun: str) -> str:
    """`1 row`, `2,140 rows`."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
