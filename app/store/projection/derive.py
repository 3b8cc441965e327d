"""The state of runs, worked out from their events and deliveries.

A run goes on while an event of it was announced and hasn't arrived, or is known
from a record only, or a delivery isn't settled. Then it failed where something
is parked that no replay has mended, else was cancelled where something was,
else succeeded. Where nothing is under way and a person has to decide, it waits.
"""

from __future__ import annotations

from collections.abc import Iterable

from app.store.bulk import Bulk

LOCK = 0x70656E02
CHUNK = 5000


def derive_runs(bulk: Bulk, correlationids: Iterable[str]) -> None:
    """Write the rows of these runs anew, alone (docs/decisions/0011)."""
    bulk.lock(LOCK)
    derive(bulk, correlationids)


def derive(bulk: Bulk, correlationids: Iterable[str]) -> None:
    """The same for who has the lock, or has the tables to itself."""
    ids = sorted(correlationids)
    sql = _DERIVE.format(elements=bulk.elements("id"))
    for start in range(0, len(ids), CHUNK):
        bulk.run(sql, bulk.listed(ids[start : start + CHUNK]))


# CROSS JOIN, since SQLite keeps its order. Else it reads all deliveries that there are and looks for
# each in the few runs: 0.3 s with a million of them, for every batch of events and of records.
_DERIVE = """
INSERT INTO runs (correlationid, state, outcome, type, subject, events, started, ended)
WITH touched AS ({elements}),
happened AS (
  SELECT e.correlationid AS id, COUNT(*) AS events, MIN(e.published) AS started,
         MAX(e.published) AS latest, MAX(CASE WHEN e.arrived THEN 0 ELSE 1 END) AS unread
  FROM touched t CROSS JOIN run_events e WHERE e.correlationid = t.id GROUP BY e.correlationid
),
handled AS (
  SELECT d.correlationid AS id, MAX(CASE WHEN d.settled THEN 0 ELSE 1 END) AS unsettled,
         MAX(CASE WHEN d.state = 'cancelled' THEN 1 ELSE 0 END) AS cancelled,
         MAX(d.ended) AS ended
  FROM touched t CROSS JOIN deliveries d WHERE d.correlationid = t.id GROUP BY d.correlationid
),
announced AS (
  SELECT DISTINCT a.correlationid AS id
  FROM touched t CROSS JOIN announced_events a WHERE a.correlationid = t.id
),
found AS (
  SELECT h.id, h.events, h.started,
         CASE WHEN h.unread = 1 OR COALESCE(d.unsettled, 0) = 1 OR a.id IS NOT NULL THEN 'running'
              WHEN EXISTS (SELECT 1 FROM holds w WHERE w.correlationid = h.id) THEN 'waiting'
              WHEN EXISTS (SELECT 1 FROM dead_letters l
                           WHERE l.correlationid = h.id AND l.state <> 'replayed') THEN 'failed'
              WHEN d.cancelled = 1 OR EXISTS (SELECT 1 FROM cancellations c
                                              WHERE c.correlationid = h.id) THEN 'cancelled'
              ELSE 'succeeded' END AS state,
         CASE WHEN d.ended > h.latest THEN d.ended ELSE h.latest END AS ended
  FROM happened h LEFT JOIN handled d ON d.id = h.id LEFT JOIN announced a ON a.id = h.id
)
SELECT f.id, f.state,
  (SELECT e.type FROM run_events e WHERE e.correlationid = f.id
   ORDER BY e.published DESC, e.time DESC, e.event_id DESC LIMIT 1),
  COALESCE(
    (SELECT e.type FROM run_events e WHERE e.event_id = f.id AND e.correlationid = f.id LIMIT 1),
    (SELECT e.type FROM run_events e WHERE e.correlationid = f.id
     ORDER BY e.published, e.event_id LIMIT 1)),
  COALESCE(
    (SELECT e.subject FROM run_events e WHERE e.event_id = f.id AND e.correlationid = f.id LIMIT 1),
    (SELECT e.subject FROM run_events e WHERE e.correlationid = f.id
     ORDER BY e.published, e.event_id LIMIT 1)),
  f.events, f.started, CASE WHEN f.state IN ('running', 'waiting') THEN NULL ELSE f.ended END
FROM found f WHERE 1 = 1
ON CONFLICT (correlationid) DO UPDATE SET
  state = excluded.state, outcome = excluded.outcome, type = excluded.type,
  subject = excluded.subject, events = excluded.events, started = excluded.started,
  ended = excluded.ended
"""
