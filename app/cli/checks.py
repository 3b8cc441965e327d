"""What is looked at before anything is started; each problem is one SettingsError with its cure.

`doctor` and `up` share them. Nothing here leaves a trace but the lock file of `up`.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import redis

from app.embedded.binary import OLDEST
from app.supervision.stopping import is_alive
from config.errors import SettingsError

LONGEST_CLEANING = 12.0  # seconds that the leftovers of a killed `up` take to end


def port_is_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError as error:
            raise SettingsError(
                f"Port {port} can't be used ({os.strerror(error.errno or 0)}): stop the program "
                f"that has it, or choose another one: PORT={port + 1} make run"
            ) from None


def folder_is_writable(folder: Path) -> None:
    probe = folder / f".probe-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise SettingsError(
            f"The data folder {folder} can't be written ({error.strerror}): make it writable, "
            "or name another one in PENSTOCK_DATA_DIR"
        ) from None


@contextmanager
def alone_in(folder: Path) -> Iterator[int]:
    """Hold the folder for the length of the block. Raises SettingsError where another does.

    Answers the lock's descriptor. Processes that inherit it hold the folder as well, so that
    nothing new starts while leftovers of a killed `up` still write there; those that are being
    cleaned up are waited for.
    """
    with open(folder / "up.lock", "a+") as file:
        give_up = time.monotonic() + LONGEST_CLEANING
        while not _locked(file):
            file.seek(0)
            holder = file.read().strip()
            if holder.isdigit() and is_alive(int(holder)):
                raise SettingsError(
                    f"Penstock is running already with the data folder {folder} (process "
                    f"{holder}): stop it first, or name another one in PENSTOCK_DATA_DIR"
                )
            if time.monotonic() > give_up:
                raise SettingsError(
                    f"Processes of an earlier start still hold the data folder {folder}: "
                    f"end them first (`fuser {file.name}` names them)"
                )
            time.sleep(0.1)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield file.fileno()


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def server_answers(url: str) -> dict[str, Any]:
    """What INFO says. Raises SettingsError where there is no server, or one that is too old."""
    try:
        with closing(_client(url)) as client:
            info: dict[str, Any] = client.info()
    except redis.exceptions.AuthenticationError as error:
        raise SettingsError(
            f"REDIS_URL ({without_password(url)}) is refused ({error}): correct its password"
        ) from None
    except (redis.exceptions.RedisError, OSError, ValueError) as error:
        raise SettingsError(
            f"REDIS_URL ({without_password(url)}): no server answers "
            f"({' '.join(str(error).split()).rstrip('.')}): start it, correct the address, "
            "or unset REDIS_URL to run with a server of Penstock's own"
        ) from None
    version = tuple(int(part) for part in str(info["redis_version"]).split(".")[:2])
    if version < OLDEST:
        raise SettingsError(
            f"REDIS_URL ({without_password(url)}) is a Redis {info['redis_version']}: "
            "Penstock needs 6.2 or newer, or any Valkey"
        )
    return info


def server_setting(url: str, name: str) -> str | None:
    """One of the server's settings; None where it doesn't tell, as hosted ones do."""
    try:
        with closing(_client(url)) as client:
            found: dict[Any, Any] = client.config_get(name)
    except redis.exceptions.ResponseError:
        return None
    return found.get(name)


def _client(url: str) -> redis.Redis:
    once = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    return redis.Redis.from_url(
        url, socket_connect_timeout=5, socket_timeout=5, retry=once, decode_responses=True
    )


def without_password(url: str) -> str:
    parts = urlsplit(url)
    if parts.password is None:
        return url
    place = (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
    return parts._replace(netloc=place, query="").geturl()
