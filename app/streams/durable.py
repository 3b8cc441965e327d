"""On disk before `publish` returns, for a producer who asks for it.

Between `appendfsync everysec` and a power cut lies a second of what was
accepted. WAITAOF (Redis 7.2, Valkey) waits until the append-only file is
synced as far as this connection wrote last; the file is in order, so one small
write after the events covers them, whoever sent them.
"""

from __future__ import annotations

import redis
from redis.exceptions import ResponseError

from app.errors import Refused, Unavailable
from app.streams import keys

FSYNC_SECONDS = 5.0
"""How long the server may take; below the timeout of our sockets."""


def check(client: redis.Redis) -> None:
    """Raises `Refused` where the server can't promise it, before anything is written."""
    found = client.info("server")["redis_version"]
    if tuple(int(part) for part in found.split(".")[:2]) < (7, 2):
        raise Refused(
            f"A durable publish needs Redis 7.2 or newer (WAITAOF); this is {found}."
            " Nothing was published: publish without durable, or set appendfsync always."
        )
    if not client.info("persistence").get("aof_enabled"):
        raise Refused(
            "A durable publish needs Redis's append-only file, which is off (appendonly no)."
            " Nothing was published."
        )


def sync(client: redis.Redis) -> None:
    """Wait until everything written so far is on disk. Raises `Unavailable` where that fails."""
    pipe = client.pipeline(transaction=False)
    pipe.set(keys.SYNCED, 1)
    pipe.execute_command("WAITAOF", 1, 0, int(FSYNC_SECONDS * 1000))
    try:
        _, (local, _replicas) = pipe.execute()
    except ResponseError as error:
        raise Unavailable(f"{_ASK_AGAIN} ({error})") from error
    if not local:
        raise Unavailable(f"{_ASK_AGAIN} within {FSYNC_SECONDS:g} s: its disk is slow or full")


_ASK_AGAIN = (
    "Redis accepted the events and did not say that they are on disk; publish them again with the"
    " same ids, which doubles nothing"
)
