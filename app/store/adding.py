"""Many new rows of any table in one go.

On PostgreSQL by COPY, which costs the server and us a tenth of an INSERT for each row (decision 76).
A table with a column whose text COPY might read otherwise than INSERT does goes by INSERT there, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import psycopg
from sqlalchemy import Column, Table, insert, types
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

Process = Callable[[Any], Any] | None
_ALIKE = (
    types.String, types.Integer, types.Float, types.Numeric, types.Boolean, types.Date,
    types.DateTime, types.LargeBinary, types.Uuid, types.JSON,
)  # fmt: skip


def add_rows(
    session: Session, table: Table, columns: Sequence[Column[Any]], rows: Sequence[Sequence[Any]]
) -> None:
    """Insert rows of values for these columns, in the session's transaction."""
    if not rows:
        return
    connection = session.connection()
    if not all(_is_alike(column.type) for column in columns):
        names = [column.key for column in columns]
        connection.execute(insert(table), [dict(zip(names, row, strict=True)) for row in rows])
        return
    ready = _processed(rows, [_process(connection, column.type) for column in columns])
    spell = connection.dialect.identifier_preparer
    into = f"{spell.format_table(table)} ({', '.join(map(spell.format_column, columns))})"
    if connection.dialect.name == "postgresql":
        _copy(connection, f"COPY {into} FROM STDIN", ready)
    else:
        marks = ", ".join("?" * len(columns))
        connection.exec_driver_sql(
            f"INSERT INTO {into} VALUES ({marks})", [tuple(row) for row in ready]
        )


def _copy(connection: Connection, sql: str, rows: Sequence[Sequence[Any]]) -> None:
    driver: Any = connection.connection
    try:
        with driver.cursor() as cursor, cursor.copy(sql) as copy:
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        raise DBAPIError.instance(
            sql, None, error, psycopg.Error, dialect=connection.dialect
        ) from error


def _is_alike(kind: Any) -> bool:
    inner = kind.impl_instance if isinstance(kind, types.TypeDecorator) else kind
    return isinstance(inner, _ALIKE) and not kind._has_bind_expression


def _process(connection: Connection, kind: Any) -> Process:
    """From the author's value to the driver's."""
    process: Process = kind.dialect_impl(connection.dialect).bind_processor(connection.dialect)
    inner = kind.impl_instance if isinstance(kind, types.TypeDecorator) else kind
    if connection.dialect.name != "postgresql" or not isinstance(inner, types.DateTime):
        return process
    if inner.timezone:
        return process
    driver: Any = connection.connection.driver_connection
    zone = driver.info.timezone

    def local(value: Any) -> Any:
        """As the server turns a time with a zone into one without; COPY would forget the zone."""
        value = process(value) if process else value
        if isinstance(value, datetime) and value.tzinfo is not None:
            return value.astimezone(zone).replace(tzinfo=None)
        return value

    return local


def _processed(
    rows: Sequence[Sequence[Any]], processes: Sequence[Process]
) -> Sequence[Sequence[Any]]:
    if not any(processes):
        return rows
    return [
        [
            process(value) if process else value
            for process, value in zip(processes, row, strict=True)
        ]
        for row in rows
    ]
