"""Runs of a rebuild beside the live ones: which differ, and putting the new in place of the old.

The names of the tables mean the temporary ones on this connection; the live ones have their schema
before their name. Nothing here waits for a lock or takes one: `rebuilding` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Float
from sqlmodel import SQLModel

from app.store.bulk import Bulk
from app.store.deliveries import Announced, Delivery, DeliveryAttempt, Run, RunEvent

_OF_RUNS: tuple[type[SQLModel], ...] = (RunEvent, Announced, Delivery, Run)


class Runs:
    """Of the rebuild whose live tables are in this schema."""

    def __init__(self, live: str, since: float):
        self._live, self._since = live, since

    def replaceable(self, bulk: Bulk, ids: Sequence[str]) -> list[str]:
        """Without those that began before the archive is complete."""
        older = bulk.rows(
            f"SELECT correlationid FROM {self._live}.runs WHERE started < ?"
            f" AND {bulk.any_of('correlationid')}",
            self._since,
            bulk.listed(ids),
        )
        return sorted(set(ids) - {id for (id,) in older})

    def take_over(self, bulk: Bulk, ids: Sequence[str]) -> None:
        """What the live rows know and no record tells: what an operator cancelled, or made needless."""
        listed, of_these = bulk.listed(ids), bulk.any_of("correlationid")
        live = f"{self._live}.deliveries"
        same = "l.event_id = d.event_id AND l.event_source = d.event_source"
        waits = f"{of_these} AND NOT settled AND state = 'waiting'"
        # A delivery that the live rows never expected, of an event that they know.
        bulk.run(
            f"DELETE FROM deliveries AS d WHERE {waits}"
            f" AND EXISTS (SELECT 1 FROM {self._live}.run_events l WHERE {same} AND l.arrived)"
            f" AND NOT EXISTS (SELECT 1 FROM {live} l WHERE {same} AND l.subscription = d.subscription)",
            listed,
        )
        bulk.run(
            f"DELETE FROM deliveries AS d WHERE {waits} AND EXISTS (SELECT 1 FROM {live} l"
            f" WHERE {same} AND l.subscription = d.subscription AND l.state = 'cancelled')",
            listed,
        )
        columns = ", ".join(columns_of(Delivery))
        bulk.run(
            f"INSERT INTO deliveries ({columns}) SELECT {columns} FROM {live} WHERE {of_these}"
            " AND state = 'cancelled' ON CONFLICT DO NOTHING",
            listed,
        )

    def differing(self, bulk: Bulk, ids: Sequence[str]) -> list[str]:
        """Those whose live rows are not what was built."""
        listed, of_these = bulk.listed(ids), bulk.any_of("correlationid")
        found: set[str] = set()
        for table in _OF_RUNS:
            columns = ", ".join(columns_of(table))
            sides = [
                f"SELECT {columns} FROM {schema}{table.__tablename__} WHERE {of_these}"
                for schema in ("", f"{self._live}.")
            ]
            found |= _unlike(bulk, "correlationid", sides, [listed])
        columns = ", ".join(f"a.{name}" for name in columns_of(DeliveryAttempt))
        sides = [
            f"SELECT e.correlationid, {columns} FROM {schema}run_events e"
            f" JOIN {schema}delivery_attempts a ON a.event_id = e.event_id"
            f" AND a.event_source = e.event_source WHERE {bulk.any_of('e.correlationid')}"
            for schema in ("", f"{self._live}.")
        ]
        return sorted(found | _unlike(bulk, "correlationid", sides, [listed]))

    def replace(self, bulk: Bulk, ids: Sequence[str]) -> None:
        listed, of_these = bulk.listed(ids), bulk.any_of("correlationid")
        for schema, verb in ((f"{self._live}.", "DELETE"), ("", "INSERT")):
            attempts = f"event_id IN (SELECT event_id FROM {schema}run_events WHERE {of_these})"
            move(bulk, self._live, DeliveryAttempt, verb, attempts, listed)
            for table in _OF_RUNS:
                move(bulk, self._live, table, verb, of_these, listed)


def move(
    bulk: Bulk, live: str, table: type[SQLModel], verb: str, where: str, *given: object
) -> None:
    """Delete rows of the live table, or insert the built ones, where the condition holds."""
    name, columns = table.__tablename__, ", ".join(columns_of(table))
    if verb == "DELETE":
        bulk.run(f"DELETE FROM {live}.{name} WHERE {where}", *given)
    else:
        bulk.run(
            f"INSERT INTO {live}.{name} ({columns}) SELECT {columns} FROM {name}"
            f" WHERE {where} ON CONFLICT DO NOTHING",
            *given,
        )


def unlike_minutes(
    bulk: Bulk, live: str, table: type[SQLModel], where: str, given: Sequence[object]
) -> set[int]:
    """The minutes of figures that differ; sums that were added up in another order are alike."""
    floats = {c.name for c in table.__table__.columns if isinstance(c.type, Float)}  # type: ignore[attr-defined]
    columns = ", ".join(
        f"ROUND({name} * 1000)" if name in floats else name for name in columns_of(table)
    )
    sides = [
        f"SELECT {columns} FROM {schema}{table.__tablename__} WHERE {where}"
        for schema in ("", f"{live}.")
    ]
    return _unlike(bulk, "minute", sides, given)


def _unlike(bulk: Bulk, what: str, sides: Iterable[str], given: Sequence[object]) -> set[Any]:
    """This column of the rows that only one of two queries gives."""
    one, other = sides
    sql = (
        f"SELECT {what} FROM (SELECT * FROM ({one}) AS a EXCEPT SELECT * FROM ({other}) AS b) AS c"
        f" UNION SELECT {what} FROM (SELECT * FROM ({other}) AS a EXCEPT SELECT * FROM ({one}) AS b) AS c"
    )
    return {found for (found,) in bulk.rows(sql, *[*given] * 4)}


def columns_of(table: type[SQLModel]) -> list[str]:
    return [column.name for column in table.__table__.columns]  # type: ignore[attr-defined]
