"""Fakes of users, tokens and the audit log. Each user's password is `<name>-password`."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from app import origin
from app.errors import Conflict, NotFound
from tests.web.fake_paging import Page, page, stamp
from tests.web.fake_time import Json, at

SCOPES = ("read", "publish", "operate", "admin")
TOKENS = {scope: f"pst_{scope}_0123456789abcdef" for scope in SCOPES}
API_TOKEN = "bootstrap-token-0123456789abcdef"


@dataclass
class FakeUser:
    name: str
    role: str
    password: str
    session_version: int = 1
    active: bool = True
    created: str = field(default_factory=lambda: at(86_400 * 9))
    last_sign_in: str | None = field(default_factory=lambda: at(300))


class FakeUsers:
    def __init__(self) -> None:
        self._users = {
            n: FakeUser(n, r, f"{n}-password")
            for n, r in (("admin", "administrator"), ("operator", "operator"), ("viewer", "viewer"))
        }

    def verify(self, name: str, password: str) -> FakeUser | None:
        user = self._users.get(name)
        return (
            user
            if user and hmac.compare_digest(user.password.encode(), password.encode())
            else None
        )

    def get(self, name: str) -> FakeUser | None:
        return self._users.get(name)

    def create(self, name: str, password: str, role: str) -> FakeUser:
        if name in self._users:
            raise Conflict(f"There is a user {name!r} already.")
        self._users[name] = FakeUser(name, role, password)
        return self._users[name]

    def find(self) -> list[FakeUser]:
        return list(self._users.values())

    def _known(self, name: str) -> FakeUser:
        if name not in self._users:
            raise NotFound(f"There is no user {name!r}.")
        return self._users[name]

    def set_password(self, name: str, password: str) -> None:
        self._known(name).password = password
        self._users[name].session_version += 1

    def set_role(self, name: str, role: str) -> None:
        self._known(name).role = role
        self._users[name].session_version += 1

    def set_active(self, name: str, active: bool) -> None:
        self._known(name).active = active
        self._users[name].session_version += 1


class FakeSessions:
    def __init__(self) -> None:
        self.rows: dict[str, Json] = {}

    def begin(self, user: str, address: str, agent: str) -> str:
        id = f"s{len(self.rows)}"
        self.rows[id] = {"id": id, "user": user, "begun": at(0), "used": at(0),
                         "address": address, "agent": agent}  # fmt: skip
        return id

    def holds(self, id: str, user: str) -> bool:
        return self.rows.get(id, {}).get("user") == user

    def find(self, user: str | None = None) -> list[Json]:
        return [row for row in self.rows.values() if user in (None, row["user"])]

    def revoke(self, id: str, by: str, user: str | None = None) -> Json:
        if id not in self.rows or user not in (None, self.rows[id]["user"]):
            raise NotFound(f"There is no session {id!r} that you may end.")
        return self.rows.pop(id)


@dataclass
class FakeToken:
    id: str
    name: str
    scopes: list[str]
    prefix: str
    secret: str
    expires: str | None = None
    created: str = field(default_factory=lambda: at(86_400))
    created_by: str = "user:admin"
    last_used: str | None = None
    revoked: str | None = None


class FakeTokens:
    def __init__(self) -> None:
        self._tokens = [
            FakeToken(f"t{i}", s, [s], secret[:8], secret)
            for i, (s, secret) in enumerate(TOKENS.items(), 1)
        ]

    def verify(self, secret: str) -> FakeToken | None:
        return next((t for t in self._tokens if t.secret == secret and not t.revoked), None)

    def create(
        self, name: str, scopes: Sequence[str], expires: Any, actor: str
    ) -> tuple[FakeToken, str]:
        secret = f"pst_{len(self._tokens):032x}"
        token = FakeToken(
            f"t{len(self._tokens) + 1}",
            name,
            list(scopes),
            secret[:8],
            secret,
            stamp(expires),
            created_by=actor,
        )
        self._tokens.append(token)
        return token, secret

    def find(self) -> list[FakeToken]:
        return list(self._tokens)

    def revoke(self, id: str) -> None:
        for token in self._tokens:
            if token.id == id:
                token.revoked = at(0)
                return
        raise NotFound(f"There is no token {id!r}.")


class FakeAudit:
    def __init__(self) -> None:
        self.rows: list[Json] = [
            {
                "id": 1,
                "at": at(5400),
                "actor": "user:admin",
                "action": "subscription.paused",
                "target": "shop.handlers.notify",
                "before": None,
                "after": None,
                "details": {"reason": "mail provider is down"},
                "interface": "console",
                "address": "10.1.2.3",
                "cause": "0198a7b2-5d11-7cc0-8a55-1f3e9d2c4b6a",
            }
        ]

    @contextmanager
    def changing(
        self, actor: str, action: str, target: str, **details: Any
    ) -> Iterator[SimpleNamespace]:
        change = SimpleNamespace(before=None, after=None)
        yield change
        self.record(actor, action, target, change.before, change.after, **details)

    def record(
        self,
        actor: str,
        action: str,
        target: str,
        before: Any = None,
        after: Any = None,
        **details: Any,
    ) -> None:
        here = origin.current()
        here.noted += 1
        self.rows.insert(
            0,
            {
                "interface": here.interface,
                "address": here.address,
                "cause": here.cause,
                "id": len(self.rows) + 1,
                "at": at(0),
                "actor": actor,
                "action": action,
                "target": target,
                "before": before,
                "after": after,
                "details": details,
            },
        )

    def find(
        self,
        actor: str | None = None,
        action: str | None = None,
        target: str | None = None,
        cause: str | None = None,
        since: Any = None,
        until: Any = None,
        limit: int = 50,
        cursor: str | None = None,
        without: str | None = None,
    ) -> Page:
        return page(
            (
                r
                for r in self.rows
                if actor in (None, r["actor"])
                and action in (None, r["action"])
                and target in (None, r["target"])
                and cause in (None, r["cause"])
                and without != r["action"]
            ),
            limit,
            cursor,
        )

    def together(self, causes: Iterable[str | None]) -> set[str]:
        given = [row["cause"] for row in self.rows]
        return {cause for cause in causes if cause and given.count(cause) > 1}

    def all(self, **filters: Any) -> list[Json]:
        return list(self.find(**filters, limit=10_000).items)
