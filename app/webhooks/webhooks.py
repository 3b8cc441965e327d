"""Webhooks as people make them: a row beside those of the code, which every worker serves.

A webhook is a subscription whose declaration comes from a person. It lies in the same
table; when it changes, the version of the operators' decisions rises, and every lease takes
up what SQL says with its next read, as it does for any decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import msgspec
import structlog

from app.errors import Conflict, NotFound, Refused, Unavailable
from app.events.event import Event, plain
from app.events.filters import compile_filter
from app.events.topics import RESERVED, SYSTEM_TOPIC, check_type
from app.streams.broker import create_groups
from app.streams.control import be_present
from app.subscriptions.declaration import Subscription
from app.subscriptions.retry import RetryPolicy
from app.subscriptions.streams import row_streams
from app.webhooks.address import shown, target
from app.webhooks.sending import send
from app.webhooks.signature import headers, secret_of

MODULE = "app.webhooks"
TIMEOUT = 30.0
RETRY = RetryPolicy(attempts=8, base=5.0, cap=3600.0, factor=4.0)
BOTH_GOOD = 86_400.0
"""Seconds for which the secret before is good beside a renewed one."""
MOST_TYPES = 100

log = structlog.get_logger(__name__)


class Webhooks:
    """The operators' functions on webhooks, and what workers serve of them."""

    def __init__(self, platform: Any):
        self.platform = platform
        self._known: list[Subscription] = []

    def list(self) -> Sequence[dict[str, Any]]:
        """Every webhook, by name; a row of the subscriptions' store with `webhook`: `url`, `secret`, …"""
        return [row for row in self.platform.subscription_store.all() if row["webhook"]]

    def get(self, name: str) -> dict[str, Any]:
        """One webhook. Raises `NotFound`."""
        row = self.platform.subscription_store.get(name)
        if not row["webhook"]:
            raise NotFound(f"{name} is declared by code: it is no webhook.")
        return dict(row)

    def create(
        self,
        name: str,
        url: str,
        types: Sequence[str],
        actor: str,
        *,
        filter: Any = None,
        start: str = "now",
    ) -> str:
        """Begin to send events of these types to `url`; the secret, which nobody is shown again.

        Raises `Conflict` where the name is taken, `Refused` for what can't work.
        """
        self._check(name, url, types, filter)
        if start not in ("now", "earliest"):
            raise Refused("start is now or earliest")
        with suppress(NotFound):
            self.platform.subscription_store.get(name)
            raise Conflict(f"There is a subscription {name} already: choose another name.")
        row = self._row(name, types, {"url": url, "secret": 1, "renewed": None})
        row |= {"filter": filter, "start": start}
        with self.platform.audit.changing(
            actor, "webhook.created", f"subscription:{name}"
        ) as change:
            change.after = {"url": shown(url), "types": [*types], "filter": filter, "start": start}
            self.platform.subscription_store.declare([row], by=actor)
            self._make_groups(row)
        self._announce(name)
        return self._secret(name, 1)

    def change(
        self, name: str, actor: str, *, url: str | None = None, types: Sequence[str] | None = None
    ) -> dict[str, Any]:
        """Another address, or other types: the webhook as it is now. Its secret stays."""
        before = self.get(name)
        told = before["webhook"] | ({"url": url} if url is not None else {})
        wanted = [*types] if types is not None else before["types"]
        self._check(name, told["url"], wanted, None)
        with self.platform.audit.changing(
            actor, "webhook.changed", f"subscription:{name}"
        ) as change:
            change.before = {"url": shown(before["webhook"]["url"]), "types": before["types"]}
            change.after = {"url": shown(told["url"]), "types": wanted}
            row = self._redeclare(before, actor, types=wanted, webhook=told)
            self._make_groups(row)
        self._announce(name)
        return self.get(name)

    def renew(self, name: str, actor: str) -> str:
        """A new secret, shown once; for a day both are good, and requests bear both signatures."""
        before = self.get(name)
        number = before["webhook"]["secret"] + 1
        told = before["webhook"] | {"secret": number, "renewed": self.platform.clock.now()}
        with self.platform.audit.changing(
            actor, "webhook.secret-renewed", f"subscription:{name}"
        ) as change:
            change.before, change.after = {"number": number - 1}, {"number": number}
            self._redeclare(before, actor, webhook=told)
        self._announce(name)
        return self._secret(name, number)

    def subscriptions(self) -> Sequence[Subscription]:
        """What workers serve of them; as they last were where SQL can't be asked now."""
        try:
            rows = self.platform.subscription_store.all(active_only=True)
        except Unavailable as error:
            log.warning("webhooks stay as they were", problem=str(error))
            return self._known
        self._known = [self._subscription(row) for row in rows if row["webhook"]]
        return self._known

    # -- inside

    def _subscription(self, row: Mapping[str, Any]) -> Subscription:
        return Subscription(
            name=row["name"],
            types=tuple(row["types"]),
            handler=self._delivering(row["name"], dict(row["webhook"])),
            filter=row["filter"],
            lane=row["lane"],
            retry=RetryPolicy(**row["retry"]),
            timeout=row["timeout"],
            start=row["start"],
        )

    def _delivering(self, name: str, webhook: Mapping[str, Any]) -> Any:
        """The handler of one webhook, with the address and the secret's number that hold now."""

        def deliver(event: Event, ctx: Any) -> None:
            now = self.platform.clock.now()
            where = target(webhook["url"], self.platform.settings.webhook_inside)
            body = msgspec.json.encode(event.to_dict(), enc_hook=plain)
            secrets = [self._secret(name, webhook["secret"])]
            if webhook["renewed"] is not None and now - webhook["renewed"] < BOTH_GOOD:
                secrets.append(self._secret(name, webhook["secret"] - 1))
            signed = headers(ctx.delivery_id, int(now), body, secrets)
            kind = {"content-type": "application/cloudevents+json; charset=utf-8"}
            send(where, body, {**kind, "user-agent": "Penstock", **signed})

        return deliver

    def _check(self, name: str, url: str, types: Sequence[str], filter: Any) -> None:
        target(url, self.platform.settings.webhook_inside)
        if not name or len(name) > 100 or not all(c.isalnum() or c in "._-" for c in name):
            raise Refused("a webhook's name is made of letters, digits, dots, dashes and _")
        if not types or len(types) > MOST_TYPES:
            raise Refused(f"a webhook takes 1 to {MOST_TYPES} types of events: name them")
        for one in types:
            if wrong := check_type(one):
                raise Refused(f"{one!r}: {wrong}")
            if one in RESERVED or one.startswith(f"{SYSTEM_TOPIC}."):
                raise Refused(f"{one} is Penstock's own and stays inside")
        compile_filter(filter)

    def _row(self, name: str, types: Sequence[str], webhook: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "name": name, "types": [*types], "topics": self._topics(types), "emits": [],
            "lane": "default", "filter": None, "retry": asdict(RETRY), "timeout": TIMEOUT,
            "batch": 0, "linger": 0.0, "ordered": False, "start": "now", "priority": "normal",
            "effects": None, "module": MODULE, "webhook": dict(webhook),
            "doc": "A webhook: each event is sent to an HTTP endpoint.",
        }  # fmt: skip

    def _redeclare(self, before: Mapping[str, Any], actor: str, **new: Any) -> dict[str, Any]:
        """Change what was declared; what an operator changed of it is kept."""
        code = {**before, **{name: each["code"] for name, each in before["changed"].items()}}
        row = {**code, **new}
        row["topics"] = self._topics(row["types"])
        self.platform.subscription_store.declare([row], by=actor)
        return row

    def _topics(self, types: Sequence[str]) -> Sequence[str]:
        return [*self.platform.catalogue.topics_of(tuple(types))]

    def _make_groups(self, row: Mapping[str, Any]) -> None:
        """The groups that it reads by; in the transaction, so that it never is without."""
        topics = self.platform.stream_topics
        for topic in row["topics"]:
            topics.partitions(topic)
        wire = self.platform.wire()
        streams = row_streams(row, topics.all())
        create_groups(wire, row["name"], streams, start="$" if row["start"] == "now" else "0")
        wire.drop()

    def _announce(self, name: str) -> None:
        be_present(self.platform.redis, [name])
        self.platform.changes.announce("subscriptions")

    def _secret(self, name: str, number: int) -> str:
        key = self.platform.settings.secret_key.get_secret_value()
        return secret_of(key, name, number)
