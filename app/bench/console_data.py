"""What `bench console` asks for: a month of a busy installation, written straight into its tables.

`console_story` says what happened; here it gets into both databases, quickly, and the few things
that pages read from Redis with it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

from sqlalchemy import text
from sqlmodel import Session, SQLModel

from app.bench.console_figures import Figures
from app.bench.console_people import People
from app.bench.console_story import DAY, PACKED, STEPS, SUBSCRIPTIONS, WORKERS, Story
from app.bootstrap import Platform
from app.domain.tables import DatasetRow, DatasetVersionRow, ModelRow, ModelVersionRow
from app.events.event import Event
from app.store.alerts import AlertRow
from app.store.archive_tables import ArchivedEvent, ArrivalCount, CoarseArrivals
from app.store.audit import AuditRow
from app.store.database import Database
from app.store.deliveries import (
    CoarseLag,
    CoarseRollup,
    DeadLetter,
    Delivery,
    DeliveryAttempt,
    Lag,
    LastSuccess,
    Rollup,
    Run,
    RunEvent,
    WorkerRollup,
)
from app.store.failure_groups import FailureCount, FailureGroup
from app.store.replay_items import ReplayItem, ReplayRow
from app.streams import keys
from app.subscriptions.declaration import Subscription

CHUNK = 20_000
Rows = Iterable[Sequence[Any]]


def fill(platform: Platform, story: Story, tell: Callable[[str], None]) -> float:
    """Write all of SQL's; the seconds that it took."""
    begun = time.perf_counter()
    main, archive = platform.database, platform.archive_database
    figures, people = Figures(story), People(story)
    declare(platform)
    for database, table, rows in (
        (archive, ArchivedEvent, story.events()),
        (archive, ArrivalCount, story.arrivals()),
        (archive, CoarseArrivals, story.coarse_arrivals()),
        (main, Run, story.runs()),
        (main, RunEvent, story.run_events()),
        (main, Delivery, story.deliveries()),
        (main, DeliveryAttempt, story.attempts()),
        (main, DeadLetter, story.letters()),
        (main, FailureGroup, story.groups()),
        (main, FailureCount, story.counts()),
        (main, LastSuccess, story.successes()),
        (main, Rollup, figures.rollups(SUBSCRIPTIONS)),
        (main, WorkerRollup, figures.rollups(WORKERS)),
        (main, CoarseRollup, figures.coarse_rollups()),
        (main, Lag, figures.lags()),
        (main, CoarseLag, figures.coarse_lags()),
        (main, ReplayRow, people.replays()),
        (main, ReplayItem, people.replay_items()),
        (main, AuditRow, people.audit()),
        (main, AlertRow, people.alerts()),
        (main, DatasetRow, people.datasets()),
        (main, DatasetVersionRow, people.dataset_versions()),
        (main, ModelRow, people.models()),
        (main, ModelVersionRow, people.model_versions()),
    ):
        load(database, table, rows)
        tell(f"{table.__tablename__} after {time.perf_counter() - begun:.0f} s")
    platform.event_store.append_many(
        [
            (f"order:{n}", [Event(type="order.made", data={"n": n})] * 3, None)
            for n in range(min(1000, story.sizes.runs))
        ]
    )
    for database in {main, archive}:
        _settle(database)
    taken = time.perf_counter() - begun
    tell(f"filled with {story.sizes} in {taken:.0f} s")
    return taken


def declare(platform: Platform) -> None:
    """The types and subscriptions, as a release step would write them."""
    shape = {"type": "object", "properties": {"n": {"type": "integer"}, "city": {"type": "string"}}}
    for type in (*PACKED, *STEPS):
        tracking = "run" if type in STEPS else "packed"
        platform.schemas.save(type, 1, type.split(".")[0], shape, tracking)
    declared = []
    for number, (type, name) in enumerate(zip((*PACKED, *STEPS), SUBSCRIPTIONS, strict=True)):
        onward = STEPS[number - len(PACKED) + 1 :][:1] if type in STEPS else ()
        one = Subscription(name, (type,), lambda event, ctx: None, emits=tuple(onward))
        declared.append({**one.describe(), "topics": [type.split(".")[0]]})
    platform.subscription_store.declare(declared)


def streams(platform: Platform, story: Story) -> None:
    """What pages read from Redis: some events in the topics, and beats of workers."""
    platform.publisher.publish(
        [Event(type=type, data={"n": n, "city": "Ghent"}) for type in PACKED for n in range(500)]
    )
    beat = {
        "host": "host", "pid": 1, "lanes": ["default"], "pool": "prefork", "concurrency": 2,
        "started": story.now - DAY, "beat": story.now + DAY, "memory": 10**8,
        "slots": [{"subscription": SUBSCRIPTIONS[0], "event": "1-0", "since": story.now - 5}],
    }  # fmt: skip
    platform.redis.hset(
        keys.WORKERS, mapping={worker: json.dumps(beat | {"id": worker}) for worker in WORKERS}
    )


def load(database: Database, table: type[SQLModel], rows: Rows) -> None:
    """Write rows, whose values are in the order of the table's first columns; others stay empty.

    What the table is searched by is made when they are there: a third of the time.
    """
    given = iter(rows)
    first = next(given, None)
    if first is None:
        return
    name = str(table.__tablename__)
    columns = [column.name for column in table.__table__.columns][: len(first)]  # type: ignore[attr-defined]
    into = f"{name} ({', '.join(columns)})"
    with database.session() as session, _without_indexes(session, name, database.on_sqlite):
        if database.on_sqlite:
            sql = f"INSERT INTO {into} VALUES ({', '.join('?' * len(columns))})"
            _many(session, sql, chain([first], given))
        else:
            _copy(session, f"COPY {into} FROM STDIN", chain([first], given))


@contextmanager
def _without_indexes(session: Session, table: str, on_sqlite: bool) -> Iterator[None]:
    connection = session.connection()
    found = list(connection.execute(text(INDEXES[on_sqlite]), {"table": table}))
    for name, _ in found:
        connection.exec_driver_sql(f"DROP INDEX {name}")
    yield
    if not on_sqlite:
        connection.exec_driver_sql("SET LOCAL maintenance_work_mem = '256MB'")
    for _, made_by in found:
        connection.exec_driver_sql(made_by)


INDEXES = {
    True: "SELECT name, sql FROM sqlite_master"
    " WHERE type = 'index' AND tbl_name = :table AND sql IS NOT NULL",
    False: "SELECT indexrelid::regclass, pg_get_indexdef(indexrelid) FROM pg_index"
    " WHERE indrelid = CAST(:table AS regclass) AND NOT EXISTS"
    " (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)",
}
"""Those that no constraint needs, by whether it is SQLite that is asked."""


def _many(session: Session, sql: str, rows: Rows) -> None:
    connection = session.connection()
    chunk: list[Sequence[Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            connection.exec_driver_sql(sql, chunk)
            chunk = []
    if chunk:
        connection.exec_driver_sql(sql, chunk)


def _copy(session: Session, sql: str, rows: Rows) -> None:
    driver: Any = session.connection().connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(sql) as copy:
        for row in rows:
            copy.write_row(row)


def _settle(database: Database) -> None:
    """What PostgreSQL does by itself within a minute; serials go on after what was written."""
    if database.on_sqlite:
        with database.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # outside of any transaction
        return
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table, column in (("events", "number"), ("audit", "id")):
            connection.execute(
                text(
                    f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'),"
                    f" (SELECT MAX({column}) FROM {table}))"
                )
            )
        connection.execute(text("VACUUM ANALYZE"))
