"""kill -9 at the statements of a person's decision: it and its event are both there, once, or neither is."""

from __future__ import annotations

from sqlalchemy import text

from app.domain.check import Check
from app.events.event import Event
from app.streams import keys
from app.subscriptions.relay import Relay
from tests.domain.conftest import evaluated
from tests.support.killed import at_every_step
from tests.support.platforms import platform

__all__ = ["platform"]


def test_a_decision_and_its_event_hold_together(platform, stays, monkeypatch):
    monkeypatch.setattr("app.domain.model_steps.check_model", lambda *_: Check(10, None))
    versions: list[int] = []

    def wait() -> None:
        """Another version waits for a person."""
        run, models = f"run-{len(versions)}", platform.models
        with platform.database.session() as session:
            made = models.register(session, evaluated(platform.blobs, stays), run)
            models.hold(session, "stays", made, run, f"event-{run}")
        versions.append(made)

    def approve() -> None:
        platform.models.approve("stays", versions[-1], "user:ann", "better")

    def check() -> None:
        with platform.database.session() as session:
            session.execute(text("UPDATE owners SET until = 0"))
        Relay(platform, f"relay-{len(versions)}").drain()
        found = platform.redis.xrange(keys.topic_stream("model", 0))
        published = [Event.from_bytes(fields[b"e"]).data["version"] for _, fields in found]
        noted = platform.audit.find(action="model.approved", limit=100).items
        approved = [one["details"]["version"] for one in reversed(noted)]
        assert published == approved
        wait()

    wait()
    assert at_every_step(platform, approve, check) > 10
