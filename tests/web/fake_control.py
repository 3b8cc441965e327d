"""Fakes of an operator's hands: subscriptions and replays."""

from __future__ import annotations

import copy
from collections import Counter
from typing import TYPE_CHECKING, Any

from app.errors import Conflict, NotFound, Refused
from tests.web.fake_paging import Page, page
from tests.web.fake_time import Json, at

if TYPE_CHECKING:
    from tests.web.fakes import FakePlatform


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

    names = list

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

    def skip(self, name: str, actor: str) -> None:
        self.rewind(name, "now", actor)

    def deletion(self, name: str) -> Json:
        row = self._row(name)
        if row["active"] and not row["webhook"]:
            raise Conflict(f"{name} is declared by running code: take its @on out first.")
        told = ("name", "types", "backlog", "open", "retrying", "parked")
        lost = {field: row[field] for field in told} | {"webhook": bool(row["webhook"])}
        return lost | {"cases": 0}

    def delete(self, name: str, actor: str) -> Json:
        lost = self.deletion(name)
        self._platform.data["subscriptions"].remove(self._row(name))
        self._platform.audit.record(actor, "subscription.deleted", f"subscription:{name}")
        return lost

    def update(self, name: str, changes: Json, actor: str) -> None:
        row = self._row(name)
        for key, value in changes.items():
            if key not in (
                "retry",
                "timeout",
                "filter",
                "batch",
                "linger",
                "lane",
                "priority",
                "rate",
            ):
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
        return {
            "total": len(chosen),
            "subscriptions": dict(names),
            "sample": [x["event"] for x in chosen[:5]],
            "effects": dict.fromkeys(names, "unsafe"),
            "downstream": {
                "emitted": [{"level": 1, "type": "payment.captured", "events": len(chosen)}],
                "handled": [],
                "unknown": [],
            },
            "edited": 0,
            "edits": [],
            "needs_approval": False,
        }

    def start(self, selection: Json, options: Json, actor: str) -> str:
        chosen = self._select(selection)
        if not chosen:
            raise Refused("Nothing matches: there is nothing to replay.")
        id = f"rp{len(self._platform.data['replays']) + 1:06d}"
        canary = options.get("canary")
        self._platform.data["replays"].insert(
            0,
            {
                "id": id,
                "state": "canary" if canary else "running",
                "total": len(chosen),
                "succeeded": 0,
                "failed": 0,
                "cancelled": 0,
                "sent": 0,
                "pending": len(chosen),
                "by": actor,
                "created": at(0),
                "ended": None,
                "selection": selection,
                "options": options,
                "reason": options.get("reason", ""),
                "stopped": None,
            },
        )
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

    def unfinished(self) -> int:
        over = ("succeeded", "failed", "cancelled")
        return sum(row["state"] not in over for row in self._platform.data["replays"])

    def beginning(self, id: str, limit: int) -> list[Json]:
        found = [x for x in self._platform.data["replays"] if x["id"].startswith(id)]
        return copy.deepcopy(found[:limit])

    def items(
        self, id: str, state: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page:
        self._row(id)
        return page(
            (
                {
                    "event": x["event"]["id"],
                    "type": x["event"]["type"],
                    "subscription": x["subscription"],
                    "dead_letter": x["id"],
                    "state": ("succeeded", "failed", "pending")[i % 3],
                }
                for i, x in enumerate(self._platform.data["letters"][:20])
            ),
            limit,
            cursor,
        )

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

    def approve(self, id: str, actor: str) -> None:
        self._move(id, actor, "running", ("paused",))

    def cancel(self, id: str, actor: str) -> None:
        self._move(id, actor, "cancelled", ("canary", "running", "paused"))

    def discard(self, selection: Json, actor: str, reason: str) -> int:
        chosen = {x["id"] for x in self._select(selection)}
        for letter in self._platform.data["letters"]:
            if letter["id"] in chosen:
                letter["state"] = "discarded"
        self._platform.audit.record(
            actor, "dead-letters.discarded", f"{len(chosen)}", reason=reason
        )
        return len(chosen)
