"""An operator's rules for the rows of a dataset: versioned, and in force from the next upload on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlmodel import Session, col, select

from app.clock import Clock
from app.domain.aggregates import Dataset
from app.domain.announcing import Announcer, announce_after
from app.domain.events import NAME_PATTERN
from app.domain.tables import DatasetRulesRow
from app.errors import Refused
from app.ml.rules import MOST_RULES, BadRule, parse
from app.sourcing.repository import Repository
from app.store.audit import Audit
from app.store.columns import clean, key
from app.store.database import Database
from app.store.moments import iso


def check_name(name: str) -> None:
    if not re.fullmatch(NAME_PATTERN, name):
        raise Refused(
            f"{name!r} can't be a dataset's name: use up to 64 letters, digits, dots, dashes "
            "and underscores, "
            "beginning with a letter or a digit."
        )


class DatasetRules:
    """`changes` hears of what changed, for those who show it."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        audit: Audit | None,
        changes: Announcer | None,
        aggregates: Repository,
    ):
        self._database = database
        self._clock = clock
        self._audit = audit
        self._changes = changes
        self._aggregates = aggregates

    def current(self, name: str) -> dict[str, Any]:
        """`{"version", "rules", "by", "at"}`: what holds for the next upload; version 0: none."""
        with self._database.read() as session:
            row = _newest_rules(session, name)
            if row is None:
                return {"version": 0, "rules": [], "by": None, "at": None}
            return {"version": row.version, "rules": row.rules, "by": row.by, "at": iso(row.at)}

    def replace(self, name: str, rules: Sequence[str], actor: str) -> dict[str, Any]:
        """Rules for the rows of the next uploads, in place of those before.

        Raises `Refused` for one that can't be understood.
        """
        check_name(name)
        wanted = [rule for rule in (" ".join(clean(text).split()) for text in rules) if rule]
        if len(wanted) > MOST_RULES:
            raise Refused(f"{len(wanted)} rules are too many: {MOST_RULES} at most.")
        for rule in wanted:
            try:
                parse(rule)
            except BadRule as error:
                raise Refused(str(error)) from error
        with self._database.session() as session:
            before = _newest_rules(session, name)
            version = before.version + 1 if before else 1
            session.add(
                DatasetRulesRow(
                    dataset=name, version=version, rules=wanted, by=key(actor),
                    at=self._clock.now(),
                )
            )  # fmt: skip
            with self._aggregates.edit(Dataset, name, actor=key(actor), session=session) as history:
                history.rule(wanted)
            if self._audit:
                old = before.rules if before else []
                self._audit.record(actor, "dataset.rules", name, old, wanted, session=session)
            announce_after(session, self._changes, "datasets")
        return self.current(name)


def _newest_rules(session: Session, name: str) -> DatasetRulesRow | None:
    query = select(DatasetRulesRow).where(col(DatasetRulesRow.dataset) == name)
    return session.exec(query.order_by(col(DatasetRulesRow.version).desc()).limit(1)).first()
