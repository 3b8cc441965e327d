"""Deleting a subscription: one that no code declares any more, or a webhook.

First nobody serves it any more: SQL forgets it, and every lease is told. Then its groups and
whatever waits for it in Redis go. A lease that was not told yet finds no group, and is kept
from making another by the word that is left in its place. Events stay in their topics and in
the archive, its dead letters stay where they are.
"""

from __future__ import annotations

from typing import Any

import redis

from app.errors import Conflict
from app.streams import control, keys
from app.subscriptions.streams import row_streams

_AT_ONCE = 500


def preview(platform: Any, name: str) -> dict[str, Any]:
    """What would be lost: `backlog` (None where unknown), `open` and `retrying` deliveries, and `cases` of a join
    or process that are not over; what stays: `parked`.

    Raises `NotFound`, and `Conflict` for one that code declares.
    """
    row = platform.subscriptions.get(name)
    _check(row)
    told = ("name", "types", "backlog", "open", "retrying", "parked")
    lost = {field: row[field] for field in told} | {"webhook": bool(row["webhook"])}
    return lost | {"cases": platform.cases.open(name)}


def delete(platform: Any, name: str, actor: str) -> dict[str, Any]:
    """Delete it; what was lost, as `preview` told it."""
    lost = preview(platform, name)
    row = platform.subscription_store.get(name)
    with platform.audit.changing(actor, "subscription.deleted", f"subscription:{name}") as change:
        change.before = lost
        platform.subscription_store.retire([name], actor)
        platform.subscription_store.delete(name)
        platform.projection.cancel_waiting(name)
        platform.cases.forget(name)
    with platform.redis.pipeline(transaction=True) as pipe:
        control.add_gone(pipe, name)
        control.add_change(pipe)
        pipe.execute()
    _forget(platform.redis, name, row_streams(row, platform.stream_topics.all()))
    platform.changes.announce("subscriptions")
    return lost


def _check(row: dict[str, Any]) -> None:
    if row["lane"] == "system":
        raise Conflict(f"{row['name']} is Penstock's own and stays.")
    if row["active"] and not row["webhook"]:
        raise Conflict(
            f"{row['name']} is declared by running code, and would come back with the next start:"
            " take its @on out first."
        )


def _forget(client: redis.Redis, name: str, streams: list[str]) -> None:
    """Its groups, what came back to it, what is delayed for it, and what waits behind a failed one."""
    again = [stream for stream in streams if keys.is_again(stream)]
    pipe = client.pipeline(transaction=True)
    for stream in streams:
        pipe.execute_command("XGROUP", "DESTROY", stream, name)
    pipe.execute(raise_on_error=False)  # a stream that is not there has no group
    held = []
    for stream in again:
        partition = keys.partition_of(stream)
        waiting: Any = client.hkeys(keys.blocked(name, partition))
        held += [keys.held(name, partition, key.decode()) for key in waiting]
    blocked = [keys.blocked(name, keys.partition_of(stream)) for stream in again]
    client.delete(*again, *held, *blocked, keys.rate(name))
    gone: list[bytes] = []
    for member, packed in client.hscan_iter(keys.DELAYED_DATA, count=_AT_ONCE):
        # The stream is the first of what is packed (scripts/settle.lua).
        if any(stream.encode() in packed[: len(stream) + 16] for stream in again):
            gone.append(member)
    for start in range(0, len(gone), _AT_ONCE):
        some = gone[start : start + _AT_ONCE]
        client.zrem(keys.DELAYED, *some)
        client.hdel(keys.DELAYED_DATA, *some)
