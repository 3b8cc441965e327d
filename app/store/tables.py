"""All tables of the main database that belong to this layer, for the migrations' checks."""

from __future__ import annotations

from sqlmodel import SQLModel

from app.store import (
    alerts,
    audit,
    cancellations,
    cases,
    commands,
    deliveries,
    effects,
    failure_groups,
    followers,
    holds,
    outbox,
    ownership,
    replay_work,
    replays,
    schemas,
    sessions,
    subscriptions,
    tokens,
    users,
)
from app.store.blobs import sql
from app.store.eventstore import snapshots
from app.store.eventstore import tables as eventstore

MODULES = (
    alerts,
    audit,
    cancellations,
    cases,
    commands,
    deliveries,
    effects,
    followers,
    eventstore,
    failure_groups,
    holds,
    outbox,
    ownership,
    replay_work,
    replays,
    schemas,
    sessions,
    snapshots,
    sql,
    subscriptions,
    tokens,
    users,
)
METADATA = SQLModel.metadata
