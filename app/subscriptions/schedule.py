"""`@every`: a function that runs by the calendar, once across all processes.

A schedule is an event like any other: when it is due, `schedule.fired` is
published with an id derived from the schedule and the moment, so that however
many processes think of it, it is accepted once. The function is the handler of
a subscription to it, with retries, dead letters and all the rest. Schedules
live in Redis and any worker's caretaker fires them: there is no process whose
death stops them. After a pause of the whole installation the last missed
moment is made up for, not all of them. A clock that was ahead and is set right
again silences none; what it fired for twice has the same id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import structlog
from cronsim import CronSim, CronSimError

from app.clock import instant
from app.errors import NotFound, Refused
from app.events.event import Event
from app.events.ids import derived_id
from app.streams import keys
from app.subscriptions.declaration import DEFAULT_TIMEOUT, HANDLERS, Handlers, on
from app.subscriptions.retry import RetryPolicy

FIRED = "schedule.fired"
CANCELLED = "schedule.cancelled"

log = structlog.get_logger(__name__)


class Schedule(msgspec.Struct, frozen=True, omit_defaults=True):
    """A cron expression of five fields, in a timezone.

    `since` and `last` are seconds since 1970: when it was made, and the last moment it fired for.
    """

    name: str
    cron: str
    timezone: str = "UTC"
    since: float = 0.0
    last: float | None = None
    cancelled_by: str | None = None

    def by(self, now: float) -> Schedule:
        """This one as of `now`: where the clock was ahead, what was fired for then is not waited for."""
        ahead = self.since > now or (self.last or 0.0) > now
        return (
            msgspec.structs.replace(self, since=min(self.since, now), last=now) if ahead else self
        )

    def due(self, now: float) -> float | None:
        """The latest moment up to `now` that it has not fired for yet; None where there is none."""
        zone = ZoneInfo(self.timezone)
        start = instant(self.last if self.last is not None else self.since).astimezone(zone)
        found = None
        for moment in CronSim(self.cron, start):
            if moment.timestamp() > now:
                return found
            found = moment.timestamp()
        return found

    def following(self, now: float) -> datetime:
        """The next moment after `now`."""
        return next(CronSim(self.cron, instant(now).astimezone(ZoneInfo(self.timezone))))


def every(
    cron: str,
    *,
    timezone: str = "UTC",
    emits: Sequence[str] = (),
    lane: str = "default",
    retry: RetryPolicy | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,
    name: str | None = None,
    handlers: Handlers = HANDLERS,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Run a function `(event, ctx)` by a cron expression, such as `0 3 * * *` for three at night.

    `event.data` has the `schedule` and the moment it was `due` (RFC 3339). The other
    parameters are those of `@on`. Raises `Refused` where the expression or timezone is wrong.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        named = name or f"{function.__module__}.{function.__qualname__}"
        checked(Schedule(named, cron, timezone))
        handlers.schedules[named] = (cron, timezone)
        return on(
            FIRED,
            emits=emits,
            filter={"exact": {"subject": named}},
            lane=lane,
            retry=retry,
            timeout=timeout,
            start="now",
            name=named,
            handlers=handlers,
        )(function)

    return register


def checked(schedule: Schedule) -> Schedule:
    """The schedule itself; raises `Refused` where it can't be."""
    try:
        CronSim(schedule.cron, datetime.now(ZoneInfo(schedule.timezone)))
    except CronSimError as error:
        raise Refused(
            f"{schedule.cron!r} is no cron expression ({error}): minute, hour, day, month, weekday,"
            " as in 0 3 * * *"
        ) from error
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Refused(
            f"{schedule.timezone!r} is no timezone: use a name such as Europe/Zurich"
        ) from error
    return schedule


class Schedules:
    """The schedules of the installation, in Redis."""

    def __init__(self, platform: Any):
        self.platform = platform

    def declare(self) -> None:
        """Make the code's schedules known; one that changed begins anew, one that was cancelled stays so."""
        known = {schedule.name: schedule for schedule in self.all()}
        for name, (cron, timezone) in self.platform.handlers.schedules.items():
            was = known.get(name)
            if was is None:
                self._begin(name, self._cancelled_by(name))
            elif (was.cron, was.timezone) != (cron, timezone):
                self._begin(name, was.cancelled_by)

    def put_back(self) -> None:
        """Make those known again that a server with an empty memory has forgotten.

        Only those: in a deploy, old code and new would change others to and fro.
        """
        if not self.platform.handlers.schedules:
            return
        known = {schedule.name for schedule in self.all()}
        for name in self.platform.handlers.schedules.keys() - known:
            log.warning("Redis has forgotten a schedule: it is made known again", schedule=name)
            self._begin(name, self._cancelled_by(name))

    def _begin(self, name: str, cancelled: str | None) -> None:
        cron, timezone = self.platform.handlers.schedules[name]
        now = self.platform.clock.now()
        self._keep(Schedule(name, cron, timezone, since=now, cancelled_by=cancelled))

    def _cancelled_by(self, name: str) -> str | None:
        """Who cancelled it and did not restore it, by the audit log."""
        told = self.platform.audit.find(target=f"schedule:{name}", limit=1).items
        return told[0]["actor"] if told and told[0]["action"] == CANCELLED else None

    def all(self) -> list[Schedule]:
        """Every schedule, by name."""
        found = self.platform.redis.hvals(keys.SCHEDULES)
        decoded = [msgspec.json.decode(value, type=Schedule) for value in found]
        return sorted(decoded, key=lambda schedule: schedule.name)

    def fire(self) -> None:
        """Publish what is due; any number of processes may do this at once."""
        now = self.platform.clock.now()
        for known in self.all():
            schedule = known.by(now)
            if schedule is not known:
                self._keep(schedule)
            due = None if schedule.cancelled_by else schedule.due(now)
            if due is None:
                continue
            self.platform.publisher.publish([_event(schedule, due)])
            self._keep(msgspec.structs.replace(schedule, last=due))

    def cancel(self, name: str, actor: str) -> None:
        """Fire no more. Raises `NotFound`."""
        with self.platform.audit.changing(actor, CANCELLED, f"schedule:{name}"):
            self._keep(msgspec.structs.replace(self._get(name), cancelled_by=actor))

    def restore(self, name: str, actor: str) -> None:
        """Fire again, from now on. Raises `NotFound`."""
        now = self.platform.clock.now()
        with self.platform.audit.changing(actor, "schedule.restored", f"schedule:{name}"):
            self._keep(msgspec.structs.replace(self._get(name), cancelled_by=None, last=now))

    def _get(self, name: str) -> Schedule:
        found = self.platform.redis.hget(keys.SCHEDULES, name)
        if found is None:
            raise NotFound(
                f"There is no schedule {name!r}: `python -m app schedules list` shows them."
            )
        return msgspec.json.decode(found, type=Schedule)

    def _keep(self, schedule: Schedule) -> None:
        self.platform.redis.hset(keys.SCHEDULES, schedule.name, msgspec.json.encode(schedule))


def _event(schedule: Schedule, due: float) -> Event:
    return Event(
        type=FIRED,
        id=derived_id("schedule", schedule.name, schedule.cron, due),
        source="/schedules",
        subject=schedule.name,
        data={"schedule": schedule.name, "due": instant(due).isoformat()},
    )
