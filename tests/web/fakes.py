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
import hmac
import io
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

from pydantic import SecretStr

from app.clock import SystemClock
from app.errors import Conflict, InvalidEvents, NotFound, Refused
from app.events.event import Event
from tests.web import fake_data
from tests.web.fake_data import NOW, Json, at

SCOPES = ("read", "publish", "operate", "admin")
TOKENS = {scope: f"pst_{scope}_0123456789abcdef" for scope in SCOPES}
API_TOKEN = "bootstrap-token-0123456789abcdef"


@dataclass(frozen=True)
class Page:
    items: list[Json]
    next: str | None = None


def page(items: Iterable[Json], limit: int = 50, cursor: str | None = None) -> Page:
    rows = list(items)
    start = 0
    if cursor is not None:
        if not cursor.isdigit():
            raise Refused(f"cursor {cursor!r} was not given out by this list: leave it out")
        start = int(cursor)
    rest = len(rows) > start + limit
    return Page(copy.deepcopy(rows[start : start + limit]), str(start + limit) if rest else None)


def stamp(moment: Any) -> str | None:
    """A moment as the strings that the data holds, to compare with."""
    if moment is None:
        return None
    if isinstance(moment, (int, float)):
        return at(NOW - moment)
    if isinstance(moment, datetime):
        return at(NOW - moment.timestamp())
    return str(moment)


def between(value: str, since: Any, until: Any) -> bool:
    low, high = stamp(since), stamp(until)
    return (low is None or value >= low) and (high is None or value < high)


class FakeTopics:
    def __init__(self, platform: FakePlatform):
        self._platform = platform
        self._followers: list[queue.Queue[Any]] = []

    def list(self) -> list[Json]:
        found: dict[str, list[Json]] = {}
        for event in self._platform.data["events"]:
            found.setdefault(event["type"].split(".")[0], []).append(event)
        return [
            {"name": name, "partitions": 1, "events": len(events), "bytes": 700 * len(events),
             "first": events[-1]["time"], "last": events[0]["time"],
             "types": sorted({e["type"] for e in events}),
             "subscriptions": [s["name"] for s in self._platform.data["subscriptions"]
                               if name in s["topics"]]}
            for name, events in sorted(found.items())
        ]

    def follow(self, types: Sequence[str] | None = None, since: str = "$",
               positions: dict[str, bytes] | None = None) -> Iterator[Event | None]:
        """One stream, `all`, whose positions are numbers of events."""
        positions = {} if positions is None else positions
        mine: queue.Queue[Any] = queue.Queue()
        self._followers.append(mine)
        try:
            kept = list(reversed(self._platform.data["events"]))
            start = {"$": len(kept), "0": 0}.get(since, 0)
            start = int(positions.get("all", b"%d-0" % start).partition(b"-")[0])
            for number, event in enumerate(kept[start:], start + 1):
                positions["all"] = b"%d-0" % number
                if not types or event["type"] in types:
                    yield Event.from_dict(event)
            count = len(kept)
            while True:
                try:
                    event = mine.get(timeout=0.2)
                except queue.Empty:
                    yield None
                    continue
                count += 1
                positions["all"] = b"%d-0" % count
                if not types or event["type"] in types:
                    yield Event.from_dict(event)
        finally:
            self._followers.remove(mine)

    def tell(self, event: Json) -> None:
        for follower in list(self._followers):
            follower.put(event)


class FakePublisher:
    def __init__(self, platform: FakePlatform):
        self._platform = platform
        self.published: list[Any] = []

    def publish(self, events: Sequence[Any]) -> list[bool]:
        as_dicts = [e if isinstance(e, dict) else e.to_dict() for e in events]
        problems = [
            {"index": i, "id": e["id"], "type": e["type"], "field": "data.amount",
             "problem": "Input should be a valid number"}
            for i, e in enumerate(as_dicts)
            if e["type"] == "order.placed" and "amount" not in (e.get("data") or {})
        ]
        if problems:
            raise InvalidEvents(problems)
        new = []
        for event in as_dicts:
            known = {(e["source"], e["id"]) for e in self._platform.data["events"]}
            new.append((event["source"], event["id"]) not in known)
            if new[-1]:
                self.published.append(event)
                self._platform.data["events"].insert(0, event)
                self._platform.topics.tell(event)
        return new


class FakeArchive:
    def __init__(self, platform: FakePlatform):
        self._platform = platform

    def find(self, type: str | None = None, subject: str | None = None,
             partitionkey: str | None = None, correlationid: str | None = None,
             topic: str | None = None, since: Any = None, until: Any = None,
             q: str | None = None, limit: int = 50, cursor: str | None = None) -> Page:
        wanted = {"type": type, "subject": subject, "partitionkey": partitionkey,
                  "correlationid": correlationid}
        return page(
            (e for e in self._platform.data["events"]
             if all(v is None or e.get(k) == v for k, v in wanted.items())
             and (topic is None or e["type"].split(".")[0] == topic)
             and between(e["time"], since, until)
             and (q is None or q in str(e))), limit, cursor)

    def get(self, id: str) -> Json | None:
        for position, event in enumerate(self._platform.data["events"]):
            if event["id"] == id:
                return {"event": copy.deepcopy(event), "topic": event["type"].split(".")[0],
                        "partition": 0, "position": f"{int(NOW * 1000) - position}-0",
                        "archived": event.get("recordedtime", event["time"])}
        return None

    def counts(self, since: Any, step: float) -> list[tuple[str, int]]:
        start = fake_data.NOW - 3600
        return [(at(NOW - start - i * step), (i * 7) % 23) for i in range(int(3600 // step))]


class FakeRuns:
    def __init__(self, platform: FakePlatform):
        self._platform = platform

    def find(self, state: str | None = None, type: str | None = None, q: str | None = None,
             since: Any = None, until: Any = None, limit: int = 50,
             cursor: str | None = None) -> Page:
        return page(
            ({k: v for k, v in run.items() if k != "steps"} for run in self._platform.data["runs"]
             if (state is None or run["state"] == state) and (type is None or run["type"] == type)
             and (q is None or q in str(run)) and between(run["started"], since, until)),
            limit, cursor)

    def get(self, correlationid: str) -> Json | None:
        for run in self._platform.data["runs"]:
            if run["correlationid"] == correlationid:
                return copy.deepcopy(run)
        return None


class FakeDeadLetters:
    def __init__(self, platform: FakePlatform):
        self._platform = platform

    def find(self, subscription: str | None = None, type: str | None = None,
             group: str | None = None, since: Any = None, until: Any = None, q: str | None = None,
             state: str | None = "parked", limit: int = 50, cursor: str | None = None) -> Page:
        return page(
            (x for x in self._platform.data["letters"]
             if (subscription is None or x["subscription"] == subscription)
             and (type is None or x["event"]["type"] == type)
             and (group is None or x["group"] == group)
             and (state is None or x["state"] == state)
             and between(x["parked"], since, until) and (q is None or q in str(x))), limit, cursor)

    def get(self, id: str) -> Json | None:
        rows = self._platform.data["letters"]
        return copy.deepcopy(next((x for x in rows if x["id"] == id), None))

    def groups(self, subscription: str | None = None, type: str | None = None, since: Any = None,
               until: Any = None, q: str | None = None, state: str | None = "parked") -> list[Json]:
        open = Counter(x["group"] for x in self.find(
            subscription, type, None, since, until, q, state, limit=10_000).items)
        return [copy.deepcopy(g) | {"count": open[g["id"]]}
                for g in self._platform.data["groups"] if open[g["id"]]]


class FakeRollups:
    def series(self, since: Any, step: float, subscription: str | None = None) -> list[Json]:
        return [
            {"at": at(3600 - i * step), "in": 40 + (i * 13) % 29, "done": 38 + (i * 13) % 27,
             "failed": (i * 5) % 7 if i > 40 else 0, "retried": i % 4, "parked": i % 3 // 2,
             "waited": 0.05 + (i % 9) / 20, "worked": 0.02 + (i % 5) / 50}
            for i in range(int(3600 // step))
        ]


class FakeSubscriptions:
    def __init__(self, platform: FakePlatform):
        self._platform = platform

    def _row(self, name: str) -> Json:
        for row in self._platform.data["subscriptions"]:
            if row["name"] == name:
                return row
        raise NotFound(f"There is no subscription {name!r}: list them with `subscriptions`.")

    def list(self) -> list[Json]:
        rows = self._platform.data["subscriptions"]
        return [copy.deepcopy(row) for row in rows if row["lane"] != "system"]

    def projections(self) -> Any:
        rows = self._platform.data["subscriptions"]
        return [copy.deepcopy(row) for row in rows if row["lane"] == "system"]

    def get(self, name: str) -> Json:
        return copy.deepcopy(self._row(name))

    def pause(self, name: str, actor: str, reason: str = "") -> None:
        row = self._row(name)
        if row["paused"]:
            raise Conflict(f"{name} is paused already, by {row['paused']['by']}.")
        row["paused"] = {"by": actor, "at": at(0), "reason": reason}
        row["state"] = "paused"
        self._platform.audit.record(actor, "subscription.paused", name, reason=reason)

    def resume(self, name: str, actor: str) -> None:
        row = self._row(name)
        if not row["paused"]:
            raise Conflict(f"{name} is not paused.")
        row["paused"] = None
        row["state"] = "healthy"
        self._platform.audit.record(actor, "subscription.resumed", name)

    def rewind(self, name: str, to: str, actor: str) -> None:
        self._row(name)
        self._platform.audit.record(actor, "subscription.rewound", name, to=to)

    def update(self, name: str, changes: Json, actor: str) -> None:
        row = self._row(name)
        for key, value in changes.items():
            if key not in ("retry", "timeout", "filter", "batch", "linger", "lane"):
                raise Refused(f"{key} is decided by the code and can't be changed here.")
            row["changed"][key] = {"code": row[key], "now": value}
            row[key] = value
        self._platform.audit.record(actor, "subscription.updated", name, after=changes)


class FakeReplays:
    def __init__(self, platform: FakePlatform):
        self._platform = platform

    def _select(self, selection: Json) -> list[Json]:
        letters = self._platform.dead_letters
        if "dead_letters" in selection:
            found = [letters.get(id) for id in selection["dead_letters"]]
            if None in found:
                missing = selection["dead_letters"][found.index(None)]
                raise NotFound(f"There is no dead letter {missing!r}.")
            return [x for x in found if x]
        if "group" in selection:
            return letters.find(group=selection["group"], limit=10_000).items
        if "filter" in selection:
            return letters.find(**selection["filter"], limit=10_000).items
        events = self._platform.archive.find(**selection["events"], limit=10_000).items
        return [{"event": e, "subscription": selection["subscription"]} for e in events]

    def preview(self, selection: Json, options: Json) -> Json:
        chosen = self._select(selection)
        names = Counter(options.get("subscription") or x["subscription"] for x in chosen)
        return {"total": len(chosen), "subscriptions": dict(names),
                "sample": [x["event"] for x in chosen[:5]]}

    def start(self, selection: Json, options: Json, actor: str) -> str:
        chosen = self._select(selection)
        if not chosen:
            raise Refused("Nothing matches: there is nothing to replay.")
        id = f"rp{len(self._platform.data['replays']) + 1:06d}"
        canary = options.get("canary")
        self._platform.data["replays"].insert(0, {
            "id": id, "state": "canary" if canary else "running", "total": len(chosen),
            "succeeded": 0, "failed": 0, "pending": len(chosen), "by": actor, "created": at(0),
            "ended": None, "selection": selection, "options": options,
            "reason": options.get("reason", ""), "stopped": None,
        })
        for letter in self._platform.data["letters"]:
            if any(letter["id"] == x.get("id") for x in chosen):
                letter["state"] = "replaying"
        self._platform.audit.record(actor, "replay.started", id, total=len(chosen))
        return id

    def _row(self, id: str) -> Json:
        for row in self._platform.data["replays"]:
            if row["id"] == id:
                return row
        raise NotFound(f"There is no replay {id!r}.")

    def get(self, id: str) -> Json:
        return copy.deepcopy(self._row(id))

    def find(self, limit: int = 50, cursor: str | None = None) -> Page:
        return page(self._platform.data["replays"], limit, cursor)

    def items(self, id: str, state: str | None = None, limit: int = 50,
              cursor: str | None = None) -> Page:
        self._row(id)
        return page(({"event": x["event"]["id"], "type": x["event"]["type"],
                      "subscription": x["subscription"], "dead_letter": x["id"],
                      "state": ("succeeded", "failed", "pending")[i % 3]}
                     for i, x in enumerate(self._platform.data["letters"][:20])), limit, cursor)

    def _move(self, id: str, actor: str, to: str, allowed: tuple[str, ...]) -> None:
        row = self._row(id)
        if row["state"] not in allowed:
            raise Conflict(f"Replay {id} is {row['state']}: it can't become {to}.")
        row["state"] = to
        row["ended"] = at(0) if to == "cancelled" else None
        self._platform.audit.record(actor, f"replay.{to}", id)

    def pause(self, id: str, actor: str) -> None:
        self._move(id, actor, "paused", ("canary", "running"))

    def resume(self, id: str, actor: str) -> None:
        self._move(id, actor, "running", ("paused",))

    def cancel(self, id: str, actor: str) -> None:
        self._move(id, actor, "cancelled", ("canary", "running", "paused"))

    def discard(self, selection: Json, actor: str, reason: str) -> int:
        chosen = {x["id"] for x in self._select(selection)}
        for letter in self._platform.data["letters"]:
            if letter["id"] in chosen:
                letter["state"] = "discarded"
        self._platform.audit.record(actor, "dead-letters.discarded", f"{len(chosen)}",
                                    reason=reason)
        return len(chosen)


class FakeDatasets:
    def __init__(self, platform: FakePlatform):
        self._platform = platform
        self.uploads: list[Json] = []

    def upload(self, file: Any, name: str, target: str, *, filename: str,
               evaluation: Any = None, task: str | None = None, header: bool | None = None,
               actor: str) -> Json:
        self.uploads.append({"bytes": file.read(), "name": name, "target": target, "task": task,
                             "filename": filename, "header": header, "actor": actor,
                             "evaluation": evaluation.read() if evaluation else None})
        return {"dataset": name, "correlationid": self._platform.data["runs"][0]["correlationid"]}

    def find(self, limit: int = 50, cursor: str | None = None) -> Page:
        return page(self._platform.data["datasets"], limit, cursor)

    def get(self, name: str) -> Json:
        for row in self._platform.data["datasets"]:
            if row["name"] == name:
                return copy.deepcopy(row)
        raise NotFound(f"There is no dataset {name!r}; `python -m app datasets` lists them.")


class FakeModels:
    def __init__(self, platform: FakePlatform):
        self._platform = platform

    def find(self, limit: int = 50, cursor: str | None = None) -> Page:
        return page(self._platform.data["models"], limit, cursor)

    def _row(self, name: str) -> Json:
        for row in self._platform.data["models"]:
            if row["name"] == name:
                return row
        raise NotFound(f"There is no model {name!r}; `python -m app models` lists them.")

    def get(self, name: str) -> Json:
        return copy.deepcopy(self._row(name))

    def promote(self, name: str, version: int, actor: str, reason: str = "") -> None:
        row = self._row(name)
        if version not in [v["version"] for v in row["versions"]]:
            raise NotFound(f"Model {name} has no version {version}.")
        if row["champion"] == version:
            raise Conflict(f"Version {version} of {name} is the champion already.")
        before, row["champion"] = row["champion"], version
        self._platform.audit.record(actor, "model.promoted", name, before, version, reason=reason)

    def rollback(self, name: str, actor: str, reason: str = "") -> None:
        row = self._row(name)
        if not row["champion"] or row["champion"] == 1:
            raise Conflict(f"{name} has no earlier champion to go back to.")
        row["champion"] -= 1
        self._platform.audit.record(actor, "model.rolledback", name, reason=reason)

    def predict(self, name: str, rows: list[Json]) -> Json:
        row = self._row(name)
        if not row["champion"]:
            raise Conflict(f"{name} has no champion yet: promote a version first.")
        return {"model": name, "version": row["champion"],
                "predictions": [{"value": "7", "probabilities": {"7": 0.9, "1": 0.1}}
                                for _ in rows]}


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
        self._users = {n: FakeUser(n, r, f"{n}-password") for n, r in (
            ("admin", "administrator"), ("operator", "operator"), ("viewer", "viewer"))}

    def verify(self, name: str, password: str) -> FakeUser | None:
        user = self._users.get(name)
        return user if user and hmac.compare_digest(
            user.password.encode(), password.encode()) else None

    def get(self, name: str) -> FakeUser | None:
        return self._users.get(name)

    def create(self, name: str, password: str, role: str) -> FakeUser:
        if name in self._users:
            raise Conflict(f"There is a user {name!r} already.")
        self._users[name] = FakeUser(name, role, password)
        return self._users[name]

    def find(self) -> list[FakeUser]:
        return list(self._users.values())

    def set_password(self, name: str, password: str) -> None:
        self._users[name].password = password
        self._users[name].session_version += 1

    def set_role(self, name: str, role: str) -> None:
        self._users[name].role = role
        self._users[name].session_version += 1


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
        self._tokens = [FakeToken(f"t{i}", s, [s], secret[:8], secret)
                        for i, (s, secret) in enumerate(TOKENS.items(), 1)]

    def verify(self, secret: str) -> FakeToken | None:
        return next((t for t in self._tokens if t.secret == secret and not t.revoked), None)

    def create(self, name: str, scopes: Sequence[str], expires: Any,
               actor: str) -> tuple[FakeToken, str]:
        secret = f"pst_{len(self._tokens):032x}"
        token = FakeToken(f"t{len(self._tokens) + 1}", name, list(scopes), secret[:8], secret,
                          stamp(expires), created_by=actor)
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
            {"id": 1, "at": at(5400), "actor": "user:admin", "action": "subscription.paused",
             "target": "shop.handlers.notify", "before": None, "after": None,
             "details": {"reason": "mail provider is down"}}]

    def record(self, actor: str, action: str, target: str, before: Any = None, after: Any = None,
               **details: Any) -> None:
        self.rows.insert(0, {"id": len(self.rows) + 1, "at": at(0), "actor": actor,
                             "action": action, "target": target, "before": before, "after": after,
                             "details": details})

    def find(self, actor: str | None = None, action: str | None = None, target: str | None = None,
             limit: int = 50, cursor: str | None = None) -> Page:
        return page((r for r in self.rows if actor in (None, r["actor"])
                     and action in (None, r["action"]) and target in (None, r["target"])),
                    limit, cursor)


class FakeWorkers:
    def list(self) -> list[Json]:
        return [
            {"id": "pc-4711-ab12", "host": "pc", "pid": 4711, "pool": "prefork", "concurrency": 2,
             "lanes": ["default", "inference", "system"], "started": at(7200), "beat": at(1),
             "slots": [{"subscription": "shop.handlers.charge", "event": "order.placed",
                        "since": at(3)},
                       {"subscription": "workers.handlers.archive", "event": None,
                        "since": at(0.2)}]},
            {"id": "pc-4712-cd34", "host": "pc", "pid": 4712, "pool": "prefork", "concurrency": 1,
             "lanes": ["training"], "started": at(7200), "beat": at(2),
             "slots": [{"subscription": "workers.handlers.train", "event": "dataset.validated",
                        "since": at(19)}]},
        ]


class FakeSchemas:
    _rows: ClassVar = [
        {"type": "order.placed", "version": 1, "topic": "order", "tracking": "run", "doc": "",
         "schema": {"type": "object", "required": ["amount"],
                    "properties": {"amount": {"type": "number"}}}},
        {"type": "dataset.uploaded", "version": 1, "topic": "dataset", "tracking": "run",
         "doc": "Someone gave us a table.", "schema": {"type": "object", "required": ["dataset"]}},
    ]

    def all(self) -> list[Json]:
        return copy.deepcopy(self._rows)

    def get(self, type: str) -> Json | None:
        return next((copy.deepcopy(r) for r in self._rows if r["type"] == type), None)


class FakeChanges:
    """Hints that something on a page has changed; `listen` yields names, or none as a heartbeat."""

    def __init__(self) -> None:
        self._listeners: list[queue.Queue[str]] = []
        self._lock = threading.Lock()

    def announce(self, *what: str) -> None:
        with self._lock:
            for listener in self._listeners:
                listener.put(" ".join(what))

    def listen(self, heartbeat: float = 0.2) -> Iterator[list[str]]:
        mine: queue.Queue[str] = queue.Queue()
        with self._lock:
            self._listeners.append(mine)
        try:
            while True:
                try:
                    yield mine.get(timeout=heartbeat).split()
                except queue.Empty:
                    yield []
        finally:
            with self._lock:
                self._listeners.remove(mine)


class FakeBlobs:
    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}

    def read(self, ref: str) -> bytes:
        return self.stored[ref]

    def open(self, ref: str) -> io.BytesIO:
        return io.BytesIO(self.stored[ref])


def fake_settings(**over: Any) -> SimpleNamespace:
    return SimpleNamespace(**{
        "port": 8000, "redis_url": None, "database_url": "sqlite://", "embedded": True,
        "data_dir": Path(".penstock"), "handlers": ("workers.handlers",),
        "secret_key": SecretStr("a secret for tests only, 32 bytes long"),
        "api_token": SecretStr(API_TOKEN), "admin_password": None, "storage_url": None,
        "max_event_bytes": 1024 * 1024, "publish_window": 86_400, "retention_days": 7,
        "log_level": "INFO"} | over)


class FakePlatform:
    """Everything a page or a route may ask for; `data` is there for a test to change."""

    def __init__(self, **settings: Any) -> None:
        invented = fake_data.invent()
        done = next(r for r in invented["runs"] if r["outcome"] == "deployment.finished")
        cid = done["correlationid"]
        versions = [fake_data.model_version(3, "champion", 700, 0.9694, cid),
                    fake_data.model_version(2, "retired", 9000, 0.961, cid),
                    fake_data.model_version(1, "retired", 86_000, 0.9533, cid)]
        self.data: Json = invented | {
            "subscriptions": copy.deepcopy(fake_data.SUBSCRIPTIONS),
            "replays": [
                {"id": "rp000002", "state": "running", "total": 240, "succeeded": 151, "failed": 9,
                 "pending": 80, "by": "user:admin", "created": at(200), "ended": None,
                 "selection": {"group": invented["groups"][0]["id"]},
                 "options": {"canary": 10, "rate": 20, "stop_above": 0.2},
                 "reason": "provider is back", "stopped": None},
                {"id": "rp000001", "state": "failed", "total": 40, "succeeded": 3, "failed": 7,
                 "pending": 30, "by": "token:ci", "created": at(4000), "ended": at(3900),
                 "selection": {"filter": {"subscription": "shop.handlers.charge"}},
                 "options": {"canary": 10, "stop_above": 0.5}, "reason": "a first try",
                 "stopped": "7 of 10 failed, above the share of 0.5"}],
            "datasets": [{"name": "digits", "target": "digit", "state": "validated",
                          "updated": at(700), "versions": fake_data.dataset_versions(cid)}],
            "models": [{"name": "digits", "champion": 3, "task": "classification",
                        "updated": at(700), "versions": versions},
                       {"name": "churn", "champion": None, "task": "classification",
                        "updated": at(4100),
                        "versions": [fake_data.model_version(1, "candidate", 4100, 0.71, cid)]}],
        }
        self.settings = fake_settings(**settings)
        self.clock = SystemClock()
        self.redis = None
        self.topics = FakeTopics(self)
        self.publisher = FakePublisher(self)
        self.archive = FakeArchive(self)
        self.runs = FakeRuns(self)
        self.dead_letters = FakeDeadLetters(self)
        self.rollups = FakeRollups()
        self.subscriptions = FakeSubscriptions(self)
        self.replays = FakeReplays(self)
        self.datasets = FakeDatasets(self)
        self.models = FakeModels(self)
        self.users = FakeUsers()
        self.tokens = FakeTokens()
        self.audit = FakeAudit()
        self.workers = FakeWorkers()
        self.schemas = FakeSchemas()
        self.changes = FakeChanges()
        self.blobs = FakeBlobs()
        self.healthy: Callable[[], Json] = lambda: {
            "redis": "ok", "database": "ok", "workers": 2, "archive_lag": 0.4}

    def health(self) -> Json:
        return self.healthy()

    def close(self) -> None:
        pass
