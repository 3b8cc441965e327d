"""What `bench eventstore` compares with: the package `eventsourcing`, as its users call it.

Event objects go in and are durable when the call returns, on both sides: so both make, serialise
and write them. Rehydrating is done by its application's repository and by ours.
"""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import make_url

from app.errors import Refused

TEXT = "x" * 100


def load(name: str) -> Any:
    """A module of the peer. Raises `Refused` that says how to install it."""
    try:
        return importlib.import_module(f"eventsourcing.{name}")
    except ImportError as error:
        raise Refused(
            f"The benchmark compares with the package eventsourcing, which can't be imported ({error}): "
            "pip install eventsourcing==9.5.6 psycopg-pool"
        ) from error


@cache
def _meter() -> Any:
    """Its aggregate that sums up, as its users write one; it finds the class by its path."""
    domain = load("domain")

    def __init__(self: Any) -> None:
        self.total = 0

    def rise(self: Any, n: int, text: str) -> None:
        self.total += n

    rise_event = domain.event("Raised")(rise)
    body = {
        "__module__": __name__,
        "__qualname__": "Meter",
        "__init__": __init__,
        "rise": rise_event,
    }
    meter = type(domain.Aggregate)("Meter", (domain.Aggregate,), body)
    globals()["Meter"] = meter
    return meter


class Peer:
    """One of its applications on a database of the kind at a URL."""

    def __init__(self, url: str, writers: int):
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            load("sqlite")
            environment = {
                "PERSISTENCE_MODULE": "eventsourcing.sqlite",
                "SQLITE_DBNAME": str(Path(parsed.database or "").with_name("peer.db")),
                "SQLITE_LOCK_TIMEOUT": "30",
            }
        else:
            load("postgres")
            environment = {
                "PERSISTENCE_MODULE": "eventsourcing.postgres",
                "POSTGRES_DBNAME": str(parsed.database),
                "POSTGRES_HOST": str(parsed.query["host"]),
                "POSTGRES_PORT": "5432",
                "POSTGRES_USER": str(parsed.username),
                "POSTGRES_PASSWORD": "none",
                "POSTGRES_SCHEMA": "peer",
                "POSTGRES_POOL_SIZE": str(writers),
            }
        self.application = load("application").Application(env=environment)
        self.datastore = self.application.recorder.datastore
        self._meter = _meter()

    def append(self, stream: UUID, version: int, count: int) -> None:
        """Events of its own kind, serialised by its mapper, durable when this returns."""
        now = self._meter.Raised.create_timestamp()
        self.application.events.put(
            [
                self._meter.Raised(
                    originator_id=stream,
                    originator_version=version + n,
                    timestamp=now,
                    n=n,
                    text=TEXT,
                )
                for n in range(count)
            ]
        )

    def save_one(self, events: int) -> UUID:
        """An aggregate of so many events; its id."""
        meter = self._meter()
        for n in range(events - 1):
            meter.rise(n, "")
        self.application.save(meter)
        id: UUID = meter.id
        return id

    def load_one(self, id: UUID) -> None:
        self.application.repository.get(id)

    def close(self) -> None:
        self.application.close()


def streams(count: int) -> list[UUID]:
    return [uuid4() for _ in range(count)]
