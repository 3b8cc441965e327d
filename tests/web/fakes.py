"""A platform in memory with the signatures of the real one, for tests of web pages and the API.

`FakePlatform()` holds the invented data of `fake_data`; its parts answer the
calls that docs/architecture.md lists, change what a person may change, keep an
audit, and raise the errors of `app.errors`. Redis, SQL and handlers are absent:
what needs those is tested against the real platform in test_api_real.py.

Times in what it answers are RFC 3339 strings in UTC. Users: `admin`,
`operator` and `viewer`, each with the password `<name>-password`; tokens:
TOKENS, by scope.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pydantic import SecretStr

from app.clock import SystemClock
from tests.web import fake_data, fake_ml_data
from tests.web.fake_alerts import FakeAlerts
from tests.web.fake_as_of import FakeAggregatesAsOf, FakeProjectionsAsOf
from tests.web.fake_cases import FakeCases
from tests.web.fake_commands import FakeCommands
from tests.web.fake_control import FakeReplays, FakeSubscriptions
from tests.web.fake_flow import FakeArchive, FakePublisher, FakeTopics
from tests.web.fake_ml import FakeDatasets, FakeModels
from tests.web.fake_once import FakeOnce
from tests.web.fake_outbox import FakeOutgoing
from tests.web.fake_parts import FakeBlobs, FakeChanges, FakeSchemas, FakeWorkers
from tests.web.fake_past import fake_past
from tests.web.fake_people import API_TOKEN, TOKENS, FakeAudit, FakeSessions, FakeTokens, FakeUsers
from tests.web.fake_projections import FakeProjections
from tests.web.fake_subscriptions import SUBSCRIPTIONS
from tests.web.fake_time import Json, at
from tests.web.fake_views import (
    FakeCharted,
    FakeDeadLetters,
    FakeFailures,
    FakeRollups,
    FakeRuns,
)
from tests.web.fake_webhooks import FakeWebhooks

__all__ = ["API_TOKEN", "TOKENS", "FakePlatform"]


def fake_settings(**over: Any) -> SimpleNamespace:
    return SimpleNamespace(
        **{
            "port": 8000,
            "redis_url": None,
            "database_url": "sqlite://",
            "embedded": True,
            "data_dir": Path(".penstock"),
            "handlers": ("workers.handlers",),
            "secret_key": SecretStr("a secret for tests only, 32 bytes long"),
            "api_token": SecretStr(API_TOKEN),
            "admin_password": None,
            "storage_url": None,
            "max_event_bytes": 1024 * 1024,
            "publish_window": 86_400,
            "retention_days": 7,
            "log_level": "INFO",
        }
        | over
    )


class FakePlatform:
    """Everything a page or a route may ask for; `data` is there for a test to change."""

    def __init__(self, **settings: Any) -> None:
        self.past = fake_past()
        self.once: Any = FakeOnce()
        self.event_store: Any = self.past._store
        self.projections_as_of: Any = FakeProjectionsAsOf(self)
        self.aggregates_as_of: Any = FakeAggregatesAsOf(self)
        invented = fake_data.invent()
        done = next(r for r in invented["runs"] if r["outcome"] == "deployment.finished")
        cid = done["correlationid"]
        versions = [
            fake_ml_data.model_version(3, "champion", 700, 0.9694, cid),
            fake_ml_data.model_version(2, "retired", 9000, 0.961, cid),
            fake_ml_data.model_version(1, "retired", 86_000, 0.9533, cid),
        ]
        self.data: Json = invented | {
            "subscriptions": copy.deepcopy(SUBSCRIPTIONS),
            "replays": [
                {
                    "id": "rp000002",
                    "state": "running",
                    "total": 240,
                    "succeeded": 151,
                    "failed": 9,
                    "pending": 80,
                    "sent": 6,
                    "cancelled": 0,
                    "by": "user:admin",
                    "created": at(200),
                    "ended": None,
                    "selection": {"group": invented["groups"][0]["id"]},
                    "options": {"canary": 10, "rate": 20, "stop_above": 0.2},
                    "reason": "provider is back",
                    "stopped": None,
                },
                {
                    "id": "rp000001",
                    "state": "failed",
                    "total": 40,
                    "succeeded": 3,
                    "failed": 7,
                    "pending": 30,
                    "sent": 0,
                    "cancelled": 0,
                    "by": "token:ci",
                    "created": at(4000),
                    "ended": at(3900),
                    "selection": {"filter": {"subscription": "shop.handlers.charge"}},
                    "options": {"canary": 10, "stop_above": 0.5},
                    "reason": "a first try",
                    "stopped": "7 of 10 failed, above the share of 0.5",
                },
            ],
            "datasets": [
                {
                    "name": "digits",
                    "target": "digit",
                    "state": "validated",
                    "updated": at(700),
                    "versions": fake_ml_data.dataset_versions(cid),
                }
            ],
            "models": [
                {
                    "name": "digits",
                    "champion": 3,
                    "task": "classification",
                    "updated": at(700),
                    "versions": versions,
                },
                {
                    "name": "churn",
                    "champion": None,
                    "task": "classification",
                    "updated": at(4100),
                    "versions": [fake_ml_data.model_version(1, "candidate", 4100, 0.71, cid)],
                },
            ],
        }
        self.settings = fake_settings(**settings)
        self.clock = SystemClock()
        self.redis = None
        self.topics = FakeTopics(self)
        self.publisher = FakePublisher(self)
        self.archive = FakeArchive(self)
        self.runs = FakeRuns(self)
        self.dead_letters = FakeDeadLetters(self)
        self.failures = FakeFailures(self)
        self.rollups = FakeRollups()
        self.charted = FakeCharted()
        self.subscriptions = FakeSubscriptions(self)
        self.projections = FakeProjections(self)
        self.outgoing = FakeOutgoing(self)
        self.webhooks = FakeWebhooks(self)
        self.cases: Any = FakeCases(self)
        self.commands = FakeCommands(self)
        self.replays = FakeReplays(self)
        self.datasets = FakeDatasets(self)
        self.models = FakeModels(self)
        self.users = FakeUsers()
        self.sessions = FakeSessions()
        self.tokens = FakeTokens()
        self.audit = FakeAudit()
        self.workers = FakeWorkers()
        self.schemas = FakeSchemas()
        self.changes = FakeChanges()
        self.alerts = FakeAlerts()
        self.blobs = FakeBlobs()
        self.healthy: Callable[[], Json] = lambda: {
            "redis": "ok",
            "database": "ok",
            "migrations": "ok",
            "workers": 2,
            "archive_lag": 0.4,
        }

    def health(self) -> Json:
        return self.healthy()

    def close(self) -> None:
        pass
