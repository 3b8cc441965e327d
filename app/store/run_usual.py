"""How long runs of a type usually take, and which ones go on for longer: they are stuck.

Usual is the 95th percentile of the newest runs of the type that succeeded. A
type with too few of them has no usual yet; its runs are stuck after
`WITHOUT_HISTORY`. A run that waits for a person's decision is not stuck.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlmodel import Session, col, select

from app.store.deliveries import Run

NEWEST = 200
ENOUGH = 10
LEAST = 10.0
"""Seconds that a run may always take: nobody is called for less."""
WITHOUT_HISTORY = 600.0


def usual(session: Session, types: Iterable[str]) -> dict[str, float | None]:
    """The usual length in seconds by type; None where it isn't known yet."""
    return {type: _usual(session, type) for type in set(types)}


def _usual(session: Session, type: str) -> float | None:
    query = (
        select(Run.started, Run.ended)
        .where(Run.type == type, Run.state == "succeeded")
        .order_by(col(Run.started).desc())
        .limit(NEWEST)
    )
    took = sorted(ended - started for started, ended in session.exec(query) if ended is not None)
    return took[int(0.95 * (len(took) - 1))] if len(took) >= ENOUGH else None


def is_stuck(run: Run, usual: float | None, now: float) -> bool:
    """Whether a run goes on for longer than it usually takes."""
    limit = WITHOUT_HISTORY if usual is None else max(usual, LEAST)
    return run.state == "running" and now - run.started > limit
