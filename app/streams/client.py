"""Connections to Redis, made per process after the fork, and scripts on them.

`connect` gives the ordinary client, which retries a command after a lost
connection where that is safe. `Wire` is one bare connection for the hot path
and for blocking reads: raw replies, and never a retry, since after an error
the reply may have been lost and only the caller knows how to look.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import Any
from weakref import WeakKeyDictionary

import redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import (
    BusyLoadingError,
    ConnectionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,
)
from redis.retry import Retry

from app.errors import Unavailable

LOST = (ConnectionError, TimeoutError, BusyLoadingError, ReadOnlyError, OSError)
"""What a lost, stopped or restarting server looks like from here."""

FULL_DISK = "MISCONF"
"""How a server begins what it answers to writes while its disk is full."""

SOCKET_TIMEOUT = 10.0


def connect(url: str, *, max_connections: int = 50) -> redis.Redis:
    """The ordinary client; replies are bytes."""
    return redis.Redis.from_url(
        url,
        max_connections=max_connections,
        protocol=2,
        socket_timeout=SOCKET_TIMEOUT,
        socket_connect_timeout=5,
        health_check_interval=30,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 3),
    )


class Wire:
    """One connection, opened at first use and again after `drop`.

    Not for use by two threads at once. Raises what redis-py raises.
    """

    def __init__(self, client: redis.Redis, timeout: float = SOCKET_TIMEOUT):
        pool = client.connection_pool
        arguments = {
            **pool.connection_kwargs,
            "socket_timeout": timeout,
            "retry": None,
            "health_check_interval": 0,
        }
        self._make = lambda: pool.connection_class(**arguments)
        self._connection: Any = None
        self._legacy: bool | None = None

    def __call__(self, *command: Any) -> Any:
        return self.many([command])[0]

    def many(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """Send the commands in one write; raise the first error after all replies are read."""
        connection = self._open()
        try:
            connection.send_packed_command(connection.pack_commands(commands), check_health=False)
            replies = [self._reply(connection) for _ in commands]
        except BaseException:  # half a reply may still be on its way
            self.drop()
            raise
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return replies

    def script(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """Run a script by its digest; load it where the server doesn't know it."""
        if self._legacy is None:
            self._legacy = _is_legacy(self("INFO", "server"))
        try:
            return self("EVALSHA", script_digest(name, self._legacy), len(keys), *keys, *arguments)
        except NoScriptError:
            return self("EVAL", script_source(name, self._legacy), len(keys), *keys, *arguments)

    def drop(self) -> None:
        """Close the connection; the next command opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()

    def _open(self) -> Any:
        if self._connection is None:
            connection = self._make()
            connection.connect()
            self._connection = connection
        return self._connection

    @staticmethod
    def _reply(connection: Any) -> Any:
        try:
            return connection.read_response()
        except ResponseError as error:
            if str(error).startswith(FULL_DISK):  # it is waited for, as when it is away
                return ReadOnlyError(str(error))
            return error


@cache
def script_source(name: str, legacy: bool = False) -> str:
    """A script's text; without its flags for servers before 7.0, which don't know them."""
    source = files("app.streams").joinpath("scripts", f"{name}.lua").read_text()
    return source.partition("\n")[2] if legacy and source.startswith("#!") else source


@cache
def script_digest(name: str, legacy: bool = False) -> str:
    return hashlib.sha1(script_source(name, legacy).encode(), usedforsecurity=False).hexdigest()


def _is_legacy(info: bytes) -> bool:
    """Whether `INFO server` is of a Redis before 7.0."""
    version = re.search(rb"redis_version:(\d+)", info)
    return version is not None and int(version[1]) < 7


_legacy_pools: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()


Call = tuple[Sequence[str], Sequence[Any]]
"""The keys and the arguments of a script."""


def run_script(
    client: redis.Redis, name: str, keys: Sequence[str], arguments: Sequence[Any]
) -> Any:
    """Run a script through the ordinary client."""
    legacy = _has_legacy_server(client)
    try:
        return client.execute_command(
            "EVALSHA", script_digest(name, legacy), len(keys), *keys, *arguments
        )
    except NoScriptError:
        return client.execute_command(
            "EVAL", script_source(name, legacy), len(keys), *keys, *arguments
        )


def run_scripts(client: redis.Redis, name: str, calls: Callable[[], Iterator[Call]]) -> list[Any]:
    """Run a script several times: the server works on one call while the next is made and packed.

    All replies are awaited before the first error is raised. After a lost connection every call is
    made again, as the ordinary client does: for scripts that may be run twice.
    """
    legacy = _has_legacy_server(client)
    pool = client.connection_pool
    connection: Any = pool.get_connection()
    try:
        replies = connection.retry.call_with_retry(
            lambda: _exchange(connection, name, legacy, calls()),
            lambda _error: connection.disconnect(),
        )
    finally:
        pool.release(connection)
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return list(replies)


def _exchange(connection: Any, name: str, legacy: bool, calls: Iterator[Call]) -> list[Any]:
    # The first one brings the script along, so that the server knows it for the others.
    command, script = "EVAL", script_source(name, legacy)
    replies: list[Any] = []
    sent = 0
    try:
        for keys, arguments in calls:
            connection.send_command(command, script, len(keys), *keys, *arguments)
            command, script = "EVALSHA", script_digest(name, legacy)
            sent += 1
        for _ in range(sent):
            try:
                replies.append(connection.read_response())
            except ResponseError as error:
                replies.append(error)
    except BaseException:  # replies may still be on their way
        connection.disconnect()
        raise
    return replies


def _has_legacy_server(client: redis.Redis) -> bool:
    legacy = _legacy_pools.get(client.connection_pool)
    if legacy is None:
        version = client.info("server")["redis_version"]
        legacy = _legacy_pools[client.connection_pool] = _is_legacy(
            f"redis_version:{version}".encode()
        )
    return legacy


@contextmanager
def refusals_explained() -> Iterator[None]:
    """Turn what a server can't do now into `Unavailable`, with the cure."""
    try:
        yield
    except OutOfMemoryError as error:
        raise Unavailable(
            "Redis is full (maxmemory): nothing was published. Let the workers drain it or raise maxmemory, then retry."
        ) from error
    except LOST as error:
        raise Unavailable(
            f"Redis can't be reached ({error}): check REDIS_URL and the server, then retry."
        ) from error
    except ResponseError as error:
        if str(error).startswith((FULL_DISK, "OOM")):
            raise Unavailable(
                f"Redis can't write now ({error}): free its disk or memory, then retry."
            ) from error
        raise
    except RedisError as error:
        raise Unavailable(f"Redis failed ({error}): check the server, then retry.") from error
