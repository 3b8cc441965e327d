"""Every setting of a Penstock process, read once from its environment and frozen.

`Settings.load()` is the only reader of the environment. Whatever is wrong or missing is
refused there with a `SettingsError` of one line that names the variable and the cure.
With no REDIS_URL Penstock runs in the embedded mode: `python -m app up` starts a server and
writes its address to `<data_dir>/redis.url`, where every other process finds it.
Guarantees nothing about reachability: connecting is for those who connect.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from config.errors import SettingsError
from config.secret import kept_secret

NOT_RUNNING = "Nothing is running here: start it with `make run`, or set REDIS_URL"

SHORTEST_WINDOW = 60

LOG_LEVELS = ("debug", "info", "warning", "error", "critical")


def _redis_url(url: str) -> str:
    """One spelling for the addresses that people and platforms hand out."""
    scheme, found, rest = url.partition("://")
    scheme = {"valkey": "redis", "valkeys": "rediss", "redis+socket": "unix"}.get(scheme, scheme)
    if not found or scheme not in ("redis", "rediss", "unix"):
        raise ValueError("it must begin with redis://, rediss:// or unix://")
    return f"{scheme}://{rest}"


def _database_url(url: str) -> str:
    scheme, found, rest = url.partition("://")
    if found and scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        return f"postgresql+psycopg://{rest}"
    if found and scheme == "sqlite":
        return url
    raise ValueError("it must begin with postgresql://, postgres:// or sqlite://")


def _names(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")):
            raise ValueError(f"{name!r} is not a module's name; write it as in `import {'a.b'}`")
    return names


def _partitions(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    counts = {}
    for part in filter(None, (part.strip() for part in value.split(","))):
        match = re.fullmatch(r"([A-Za-z0-9_.-]+)\s*=\s*([1-9]\d{0,3})", part)
        if not match:
            raise ValueError("write it as topic=number, separated by commas: orders=4,clicks=8")
        counts[match[1]] = int(match[2])
    return counts


def _hosts(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    hosts = tuple(host.strip().lower() for host in value.split(",") if host.strip())
    for host in hosts:
        if not re.fullmatch(r"[a-z0-9._:-]+", host) or "//" in host:
            raise ValueError("write names of hosts, separated by commas: hooks.internal,10.0.0.7")
    return hosts


def _publish_window(seconds: int) -> int:
    """A command is published again after 30 s, and what died is taken over within seconds."""
    if seconds < SHORTEST_WINDOW:
        raise ValueError(
            f"it must be {SHORTEST_WINDOW} or more: what Penstock publishes again after a death or a lost"
            " reply would be a new event, and come twice; leave it out for a day"
        )
    return seconds


def _log_level(value: str) -> str:
    if value.lower() not in LOG_LEVELS:
        raise ValueError(f"it must be one of {', '.join(LOG_LEVELS)}")
    return value.lower()


# Where each field is read from.
VARIABLES = {
    "port": "PORT",
    "redis_url": "REDIS_URL",
    "database_url": "DATABASE_URL",
    "data_dir": "PENSTOCK_DATA_DIR",
    "handlers": "PENSTOCK_HANDLERS",
    "given_secret": "PENSTOCK_SECRET_KEY",
    "admin_password": "PENSTOCK_ADMIN_PASSWORD",
    "api_token": "PENSTOCK_API_TOKEN",
    "storage_url": "PENSTOCK_STORAGE_URL",
    "max_event_bytes": "PENSTOCK_MAX_EVENT_BYTES",
    "publish_window": "PENSTOCK_PUBLISH_WINDOW",
    "retention_days": "PENSTOCK_RETENTION_DAYS",
    "redis_connections": "PENSTOCK_REDIS_CONNECTIONS",
    "partitions": "PENSTOCK_PARTITIONS",
    "log_level": "PENSTOCK_LOG_LEVEL",
    "log_format": "PENSTOCK_LOG_FORMAT",
    "grace_seconds": "PENSTOCK_GRACE_SECONDS",
    "training_seconds": "PENSTOCK_TRAINING_SECONDS",
    "training_memory": "PENSTOCK_TRAINING_MEMORY",
    "approve_above": "PENSTOCK_APPROVE_ABOVE",
    "release": "PENSTOCK_RELEASE",
    "webhook_inside": "PENSTOCK_WEBHOOK_INSIDE",
}


class Settings(BaseModel):
    """What a process was told. Sizes are in bytes, `publish_window` is in seconds.

    Tests may build one by field names: `Settings(data_dir=…, redis_url=…)`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_dir: Path = Path(".penstock")
    port: int = Field(8000, ge=1, le=65535)
    redis_url: Annotated[str, BeforeValidator(_redis_url)] | None = None
    database_url: Annotated[str, BeforeValidator(_database_url)]
    storage_url: str
    handlers: Annotated[tuple[str, ...], BeforeValidator(_names)] = ("workers.handlers",)
    given_secret: SecretStr | None = None
    admin_password: SecretStr | None = None
    api_token: SecretStr | None = None
    max_event_bytes: int = Field(1024 * 1024, ge=1024)
    publish_window: Annotated[int, AfterValidator(_publish_window)] = 86_400
    retention_days: float = Field(7, gt=0)
    redis_connections: int = Field(50, ge=4)  # at most, of one process
    partitions: Annotated[Mapping[str, int], BeforeValidator(_partitions)] = {}
    log_level: Annotated[str, BeforeValidator(_log_level)] = "info"
    log_format: Literal["auto", "json", "text"] = "auto"  # auto: text in a terminal, else json
    # How long a worker that is told to stop lets a handler go on. Platforms kill after 30 s.
    grace_seconds: float = Field(20, ge=0)
    # A training is stopped beyond these; without a memory in bytes, at most of the machine's.
    training_seconds: float = Field(3300, gt=0)
    training_memory: int | None = Field(None, ge=1 << 20)
    # Replays of more events than this wait for a second person's approval.
    approve_above: int | None = Field(None, ge=0)
    release: str | None = Field(None, max_length=100)  # what failures say they happened in
    # Hosts to which webhooks may go though they are inside, and by http.
    webhook_inside: Annotated[tuple[str, ...], BeforeValidator(_hosts)] = ()
    embedded: bool = True  # the server, if any, is the one that `up` started in data_dir

    @classmethod
    def load(cls, env: Mapping[str, str] | None = None) -> Settings:
        """The settings in `env`, by default this process's environment. Raises SettingsError.

        An empty variable counts as unset.
        """
        env = os.environ if env is None else env
        read = {field: env.get(variable, "").strip() for field, variable in VARIABLES.items()}
        given: dict[str, Any] = {field: value for field, value in read.items() if value}
        running = _running_server(_folder(given.get("data_dir")))
        given["embedded"] = given.get("redis_url") in (None, running)
        given.setdefault("redis_url", running)
        try:
            settings = cls.model_validate(given)
        except ValidationError as error:
            raise SettingsError(_in_one_line(error)) from None
        if not settings.embedded and settings.given_secret is None:
            raise SettingsError(
                "PENSTOCK_SECRET_KEY is not set: outside the embedded mode (REDIS_URL is set) it "
                "must be; set it to the same long random text for every process, "
                "for example the output of `openssl rand -hex 32`"
            )
        return settings

    @model_validator(mode="before")
    @classmethod
    def _derive(cls, given: dict[str, Any]) -> dict[str, Any]:
        folder = _folder(given.get("data_dir"))
        # Processes on several machines share a database, and no disk.
        storage = "sql:" if given.get("database_url") else (folder / "blobs").as_uri()
        database = f"sqlite:///{folder / 'penstock.db'}"
        return {"database_url": database, "storage_url": storage, **given, "data_dir": folder}

    def require_redis(self) -> str:
        """The server's address. Raises SettingsError where nothing is running."""
        if self.redis_url is None:
            raise SettingsError(NOT_RUNNING)
        return self.redis_url

    @cached_property
    def secret_key(self) -> SecretStr:
        """What signs sessions: as given, else (embedded) kept in `<data_dir>/secret`."""
        return self.given_secret or SecretStr(kept_secret(self.data_dir / "secret"))

    @property
    def broker_url(self) -> str:
        """`redis_url` as kombu writes it."""
        parts = urlsplit(self.require_redis())
        query = dict(parse_qsl(parts.query))
        if parts.scheme == "unix":
            query["virtual_host"] = query.pop("db", "0")
            return f"redis+socket://{parts.path}?{urlencode(query)}"
        if parts.scheme == "rediss":
            # redis-py verifies by default; kombu refuses to start without being told.
            query.setdefault("ssl_cert_reqs", "required")
            return urlunsplit(parts._replace(query=urlencode(query)))
        return self.require_redis()

    @property
    def archive_url(self) -> str:
        """Where the archive is kept: a file of its own on SQLite, else the database."""
        if not self.on_sqlite:
            return self.database_url
        path, _, options = self.database_url.removeprefix("sqlite:///").partition("?")
        if path in ("", ":memory:") or "://" in path:
            return self.database_url
        file = Path(path)
        name = "archive.db" if file.name == "penstock.db" else f"{file.stem}-archive{file.suffix}"
        return f"sqlite:///{file.with_name(name)}" + (f"?{options}" if options else "")

    @property
    def on_sqlite(self) -> bool:
        return self.database_url.startswith("sqlite:")


def redis_url_file(data_dir: Path) -> Path:
    """Where `up` writes the address of the embedded server while it runs."""
    return data_dir / "redis.url"


def _folder(path: str | Path | None) -> Path:
    # Absolute, since children of a process may run elsewhere.
    return Path(path or ".penstock").expanduser().absolute()


def _running_server(data_dir: Path) -> str | None:
    try:
        return redis_url_file(data_dir).read_text().strip() or None
    except OSError:
        return None


def _in_one_line(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    variable = VARIABLES[str(first["loc"][0])]
    problem = first["msg"].removeprefix("Value error, ")
    # A URL may hold a password, so its value is never repeated.
    secret = variable.endswith(("_URL", "_KEY", "_PASSWORD", "_TOKEN"))
    value = "" if secret else f" (it is {str(first['input'])!r})"
    return f"{variable} is wrong{value}: {problem[:1].lower()}{problem[1:]}"
