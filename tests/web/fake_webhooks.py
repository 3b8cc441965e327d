"""A fake of webhooks: rows among the fake subscriptions."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from app.errors import Conflict, NotFound
from app.webhooks.address import target
from tests.web.fake_subscriptions import subscription
from tests.web.fake_time import Json

if TYPE_CHECKING:
    from tests.web.fakes import FakePlatform

SECRET = "whsec_c2VjcmV0IG9mIGEgdGVzdA=="


class FakeWebhooks:
    def __init__(self, platform: FakePlatform):
        self._platform = platform

    @property
    def _rows(self) -> list[Json]:
        return [r for r in self._platform.data["subscriptions"] if r.get("webhook")]

    def list(self) -> list[Json]:
        return copy.deepcopy(self._rows)

    def _row(self, name: str) -> Json:
        for row in self._rows:
            if row["name"] == name:
                return row
        raise NotFound(f"There is no webhook {name!r}.")

    def get(self, name: str) -> Json:
        return copy.deepcopy(self._row(name))

    def create(self, name: str, url: str, types: Any, actor: str, **more: Any) -> str:
        target(url)
        if any(row["name"] == name for row in self._platform.data["subscriptions"]):
            raise Conflict(f"There is a subscription {name} already: choose another name.")
        webhook = {"url": url, "secret": 1, "renewed": None}
        self._platform.data["subscriptions"].append(
            subscription(name, list(types), [], webhook=webhook, filter=more.get("filter"))
        )
        self._platform.audit.record(actor, "webhook.created", f"subscription:{name}")
        return SECRET

    def change(self, name: str, actor: str, *, url: Any = None, types: Any = None) -> Json:
        row = self._row(name)
        if url is not None:
            target(url)
            row["webhook"]["url"] = url
        if types is not None:
            row["types"] = list(types)
        self._platform.audit.record(actor, "webhook.changed", f"subscription:{name}")
        return self.get(name)

    def renew(self, name: str, actor: str) -> str:
        self._row(name)
        self._platform.audit.record(actor, "webhook.secret-renewed", f"subscription:{name}")
        return SECRET
