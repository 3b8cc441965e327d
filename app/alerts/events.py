"""What is told of alerts: events like any others, for any handler to carry further."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from app.events.schema import event_type


class AlertFacts(BaseModel):
    """The alert, its rule, what it is about, and the value that was read."""

    alert: str
    rule: str
    measure: str
    target: str
    severity: Literal["warning", "critical"]
    value: float | None
    above: float
    summary: str
    page: str


@event_type("alert.raised", version=1)
class AlertRaised(AlertFacts):
    """Something has been bad for as long as its rule says."""

    raised: str


@event_type("alert.resolved", version=1)
class AlertResolved(AlertFacts):
    """It is good again, or its rule was changed or taken away (`reason`)."""

    raised: str
    resolved: str
    reason: str
