"""Many rows in one statement, on both databases.

SQL here is written with `?`; PostgreSQL's driver wants `%s`. A list goes in as
one parameter: an array there, JSON on SQLite. This bypasses SQLAlchemy's
compilation, which would cost more than the database does. Rows for PostgreSQL
travel as one JSON text: measured at 35,000 archived events/s, against 15,000
with arrays, since psycopg converts those value by value in Python.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Boolean, Float, Integer, Table
from sqlmodel import Session, SQLModel


class Bulk:
    """Raw statements in a session's transaction."""

    def __init__(self, session: Session):
        self._connection = session.connection()
        self.on_postgres = self._connection.dialect.name == "postgresql"

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """Run a statement once for each row; how many rows it touched in all."""
        if not rows:
            return 0
        given = [tuple(row) for row in rows]
        return self._connection.exec_driver_sql(self._spelled(sql), given).rowcount

    def run(self, sql: str, *parameters: Any) -> int:
        """Run a statement; how many rows it touched."""
        return self._connection.exec_driver_sql(self._spelled(sql), parameters).rowcount

    def rows(self, sql: str, *parameters: Any) -> list[Any]:
        return list(self._connection.exec_driver_sql(self._spelled(sql), parameters))

    def insert(
        self,
        table: type[SQLModel],
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        otherwise: str = "",
        returning: str = "",
    ) -> list[Any]:
        """Insert rows; `otherwise` is an ON CONFLICT clause, whose key no two rows may share.

        `returning` works on PostgreSQL only.
        """
        if not rows:
            return []
        into = f"INSERT INTO {table.__tablename__} ({', '.join(columns)})"
        if not self.on_postgres:
            self.many(f"{into} VALUES ({', '.join('?' * len(columns))}) {otherwise}", rows)
            return []
        kinds = _kinds(table.__table__)  # type: ignore[attr-defined]
        record = ", ".join(f"{name} {kinds[name]}" for name in columns)
        sql = (
            f"{into} SELECT {', '.join(columns)} FROM json_to_recordset(CAST(%s AS json))"
            f" AS given({record}) {otherwise} {returning}"
        )
        named = [dict(zip(columns, row, strict=True)) for row in rows]
        done = self._connection.exec_driver_sql(sql, (msgspec.json.encode(named).decode(),))
        return list(done) if returning else []

    def any_of(self, column: str) -> str:
        """A condition: the column is in a list, whose parameter is `listed(values)`."""
        if self.on_postgres:
            return f"{column} = ANY(?)"
        return f"{column} IN (SELECT value FROM json_each(?))"

    def elements(self, column: str) -> str:
        """A subquery with one row for each value of a list, whose parameter is `listed(values)`."""
        if self.on_postgres:
            return f"SELECT unnest(?::text[]) AS {column}"
        return f"SELECT value AS {column} FROM json_each(?)"

    def listed(self, values: Iterable[Any]) -> Any:
        return list(values) if self.on_postgres else json.dumps(list(values))

    def lock(self, name: int) -> None:
        """Wait until no other transaction holds this lock; held to the end of this one.

        SQLite has one writer at a time anyway.
        """
        if self.on_postgres:
            self._connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (name,))

    def by_index(self) -> None:
        """From here to the end of the transaction, reach rows by index only.

        For work on a few thousand keys of large tables. PostgreSQL, which knows nothing of a
        young table until it analyses it (after a minute or so), would read it whole each time.
        Its compiler is off, too: it takes the high costs of what is forbidden for hard work.
        """
        if self.on_postgres:
            off = ("enable_seqscan", "enable_mergejoin", "jit")
            settings = ", ".join(f"set_config('{name}', 'off', true)" for name in off)
            self._connection.exec_driver_sql(f"SELECT {settings}")

    def _spelled(self, sql: str) -> str:
        return sql.replace("?", "%s") if self.on_postgres else sql


@cache
def _kinds(table: Table) -> dict[str, str]:
    """PostgreSQL's names of the columns' types, as JSON is read into them."""
    kinds = ((Boolean, "boolean"), (Integer, "bigint"), (Float, "double precision"))
    return {
        column.name: next((name for kind, name in kinds if isinstance(column.type, kind)), "text")
        for column in table.columns
    }
