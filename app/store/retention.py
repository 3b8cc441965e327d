"""Forgetting what is old enough, a little at a time.

The caretaker calls `prune` with the ages that the settings give. Each
transaction is short, so that nobody waits for it. Dead letters that are parked,
runs that go on, replays that are open and the audit log stay, whatever their age.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlmodel import Session

from app.store import archive as archived
from app.store import cases, coarse, commands, effects, settled_records
from app.store.bulk import Bulk
from app.store.database import Database
from app.store.eventstore import snapshots
from app.store.failure_groups import HOUR, MINUTE

DAY = 86_400.0
CHUNK = 2000
MOST = 100  # chunks of one kind in one call: the rest is for the next one


def prune(
    main: Database,
    archive: Database,
    now: float,
    *,
    events: float = 30 * DAY,
    runs: float = 30 * DAY,
    rollups: float = 90 * DAY,
    effects_for: float = 14 * DAY,
) -> dict[str, int]:
    """Forget what is older than these ages (in seconds); how much of each was."""
    done = {
        "events": _repeat(archive, lambda s: archived.prune(s, now - events, CHUNK)),
        "settled": _repeat(archive, lambda s: settled_records.prune(s, now - runs, CHUNK)),
        "runs": _repeat(main, lambda s: _runs(s, now - runs)),
        "dead_letters": _repeat(main, lambda s: _letters(s, now - runs)),
        "replays": _repeat(main, lambda s: _replays(s, now - runs)),
        "snapshots": _snapshots(main, now - runs),
    }
    with main.session() as session:
        bulk = Bulk(session)
        done["rollups"] = coarse.forget(bulk, int(now // 60), int((now - rollups) // 60))
        done["counts"] = bulk.run(
            "DELETE FROM failure_counts WHERE (span = ? AND at < ?) OR (span = ? AND at < ?)",
            MINUTE,
            int((now - 2 * DAY) // MINUTE),
            HOUR,
            int((now - rollups) // HOUR),
        )
        done["groups"] = bulk.run(
            "DELETE FROM failure_groups WHERE state = 'resolved' AND last < ? AND NOT EXISTS"
            " (SELECT 1 FROM dead_letters WHERE group_id = failure_groups.id)",
            now - rollups,
        )
        done["alerts"] = bulk.run(
            "DELETE FROM alerts WHERE state = 'resolved' AND resolved < ?", now - rollups
        )
        done["records"] = bulk.run("DELETE FROM applied_records WHERE at < ?", now - effects_for)
        done["effects"] = effects.prune(session, now - effects_for)
        done["commands"] = commands.prune(session, now - effects_for)
        done["cases"] = cases.prune(session, now - runs)
    return done


def _repeat(database: Database, step: Callable[[Session], int]) -> int:
    total = 0
    for _ in range(MOST):
        with database.session() as session:
            gone = step(session)
        total += gone
        if gone < CHUNK:
            break
    return total


def _runs(session: Session, before: float) -> int:
    bulk = Bulk(session)
    found = bulk.rows(
        "SELECT correlationid FROM runs WHERE started < ? AND ended IS NOT NULL AND ended < ?"
        " ORDER BY started LIMIT ?",
        before,
        before,
        CHUNK,
    )
    ids = bulk.listed(id for (id,) in found)
    bulk.run(
        "DELETE FROM delivery_attempts WHERE event_id IN"
        f" (SELECT event_id FROM run_events WHERE {bulk.any_of('correlationid')})",
        ids,
    )
    for table in ("deliveries", "run_events", "announced_events", "runs"):
        bulk.run(f"DELETE FROM {table} WHERE {bulk.any_of('correlationid')}", ids)
    return len(found)


def _snapshots(main: Database, before: float) -> int:
    """Those of earlier releases; looked for without holding up whoever writes."""
    with main.read() as session:
        found = snapshots.replaced(session, before, CHUNK)
    with main.session() as session:
        return snapshots.forget(session, found)


def _letters(session: Session, before: float) -> int:
    return Bulk(session).run(
        "DELETE FROM dead_letters WHERE id IN (SELECT id FROM dead_letters"
        " WHERE state IN ('replayed', 'discarded') AND parked < ? AND closed < ? LIMIT ?)",
        before,
        before,
        CHUNK,
    )


def _replays(session: Session, before: float) -> int:
    bulk = Bulk(session)
    found = bulk.rows(
        "SELECT id FROM replays WHERE created < ? AND ended IS NOT NULL AND ended < ?"
        " ORDER BY created LIMIT ?",
        before,
        before,
        CHUNK,
    )
    ids = bulk.listed(id for (id,) in found)
    bulk.run(f"DELETE FROM replay_items WHERE {bulk.any_of('replay_id')}", ids)
    bulk.run(f"DELETE FROM replays WHERE {bulk.any_of('id')}", ids)
    return len(found)
