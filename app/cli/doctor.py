"""`python -m app doctor`: is this installation whole, and if not, what mends it.

Each check is a small function that answers a Finding or several; one that can't look because
something it needs is broken says so rather than fail. Nothing is changed.
"""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Literal

import click
import redis

from app.cli import checks
from app.cli.platform import loaded
from app.cli.render import json_option, show_json
from app.errors import PenstockError
from app.events import evolution
from app.events.schema import TYPES
from app.sourcing.kind import KINDS
from app.sourcing.written import lint
from app.store import migrate
from app.store.database import Database
from app.store.schemas import SchemaStore
from app.store.users import Users
from app.subscriptions import process_lint
from app.subscriptions.declaration import HANDLERS, LANES
from config.settings import Settings

State = Literal["ok", "note", "problem"]

LEAST_FREE = 1_000_000_000  # bytes on the data folder's disk
SHORTEST_SECRET = 32
MARKS = {"ok": ("✓", "green"), "note": ("•", "yellow"), "problem": ("✗", "red")}


@dataclass(frozen=True)
class Finding:
    """What one check saw; `cure` says what to do about it."""

    check: str
    state: State
    said: str
    cure: str = ""


@click.command(
    epilog="\b\nExamples:\n  python -m app doctor\n"
    "  python -m app doctor --json | jq '.items[] | select(.state != \"ok\")'"
)
@json_option
def doctor(as_json: bool) -> int:
    """Check this installation; status 1 where something is wrong."""
    found: list[Finding] = []
    for finding in examine():
        found.append(finding)
        if not as_json:
            _show(finding)
    problems = sum(finding.state == "problem" for finding in found)
    if as_json:
        show_json({"items": [asdict(finding) for finding in found], "next": None})
    else:
        click.echo(f"{problems} to mend." if problems else "All is well.")
    return 1 if problems else 0


def examine() -> Iterator[Finding]:
    """Every finding, in the order in which things depend on each other."""
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", "ok", python)
    try:
        settings = loaded()
    except PenstockError as error:
        yield Finding("settings", "problem", str(error), "correct the variable")
        return
    yield Finding("settings", "ok", "embedded" if settings.embedded else "REDIS_URL is set")
    for check in (
        _folder,
        _secret,
        _redis,
        _handlers,
        _database,
        _types,
        _aggregates,
        _processes,
        _people,
        _workers,
        _outbox,
    ):
        yield from _guarded(check, settings)


def _guarded(
    check: Callable[[Settings], Iterator[Finding]], settings: Settings
) -> Iterator[Finding]:
    try:
        yield from check(settings)
    except PenstockError as error:
        yield Finding(check.__name__.strip("_"), "problem", str(error))
    except redis.exceptions.RedisError as error:
        said = f"not known, since the server is asked for it ({error})"
        yield Finding(check.__name__.strip("_"), "problem", said)


def _folder(settings: Settings) -> Iterator[Finding]:
    checks.folder_is_writable(settings.data_dir)
    free = shutil.disk_usage(settings.data_dir).free
    said = f"{settings.data_dir}, {free / 1e9:.1f} GB free"
    if free < LEAST_FREE:
        yield Finding("disk", "problem", said, "make room: a full disk stops every write")
    else:
        yield Finding("disk", "ok", said)


def _secret(settings: Settings) -> Iterator[Finding]:
    if len(settings.secret_key.get_secret_value()) < SHORTEST_SECRET:
        cure = "set PENSTOCK_SECRET_KEY to the output of `openssl rand -hex 32`; sessions end"
        yield Finding("secret", "problem", f"shorter than {SHORTEST_SECRET} characters", cure)
    else:
        yield Finding("secret", "ok", "long enough")


def _redis(settings: Settings) -> Iterator[Finding]:
    url = settings.require_redis()
    info = checks.server_answers(url)
    product = "Valkey" if "valkey_version" in info else "Redis"
    version = info.get("valkey_version", info["redis_version"])
    yield Finding("server", "ok", f"{product} {version} at {checks.without_password(url)}")
    if not info.get("aof_enabled"):
        cure = "set `appendonly yes`: after a crash, events since the last snapshot are lost"
        yield Finding("durability", "problem", "no append-only file", cure)
    else:
        yield _fsync(checks.server_setting(url, "appendfsync"))
    policy = info.get("maxmemory_policy", "noeviction")
    if info.get("maxmemory") and policy != "noeviction":
        cure = "set `maxmemory-policy noeviction`: this one throws events away when memory is full"
        yield Finding("memory", "problem", f"maxmemory-policy {policy}", cure)
    else:
        used = f"{info['used_memory'] / 1e6:.0f} MB used"
        limit = f" of {info['maxmemory'] / 1e6:.0f} MB" if info.get("maxmemory") else ", no limit"
        yield Finding("memory", "ok", used + limit)


def _fsync(policy: str | None) -> Finding:
    if policy is None:
        return Finding("durability", "note", "the server doesn't tell its fsync policy")
    if policy == "no":
        cure = "set `appendfsync everysec`, or `always` to lose nothing"
        return Finding("durability", "problem", "append-only file, fsync no", cure)
    may = "" if policy == "always" else ": a crash of the machine may lose the last second"
    return Finding("durability", "ok", f"append-only file, fsync {policy}{may}")


def _handlers(settings: Settings) -> Iterator[Finding]:
    for name in settings.handlers:
        try:
            importlib.import_module(name)
        except Exception as error:  # an author's module may raise anything
            said = f"{name} can't be imported: {type(error).__name__}: {error}"
            yield Finding("handlers", "problem", said, "correct it, or PENSTOCK_HANDLERS")
        else:
            yield Finding("handlers", "ok", name)


def _database(settings: Settings) -> Iterator[Finding]:
    main, archive = Database(settings.database_url), Database(settings.archive_url)
    try:
        main.ping()
        kind = "SQLite" if settings.on_sqlite else "PostgreSQL"
        yield Finding("database", "ok", kind)
        missing = migrate.missing(main) + migrate.missing(archive, "archive")
        if missing:
            said = f"{len(missing)} are not applied"
            yield Finding("migrations", "problem", said, "python -m app migrate")
        else:
            yield Finding("migrations", "ok", "all are applied")
    finally:
        main.dispose()
        archive.dispose()


def _types(settings: Settings) -> Iterator[Finding]:
    """Whether old events can still be read; where the handlers are imported (see `_handlers`)."""
    database = Database(settings.database_url)
    try:
        found = evolution.problems(TYPES, SchemaStore(database).all())
    finally:
        database.dispose()
    cure = "before the new code's first start: it writes its schemas over the old ones"
    for problem in found:
        yield Finding("event types", "problem", problem, cure)
    if not found:
        yield Finding("event types", "ok", "the old ones can be read")


def _aggregates(_: Settings) -> Iterator[Finding]:
    """Whether snapshots can hold what aggregates declare, and each has streams of its own."""
    shared = KINDS.shared()
    for problem in shared:
        yield Finding("aggregates", "problem", problem, "give one of them another category = …")
    found = [problem for kind in KINDS.all() for problem in lint(kind)]
    cure = "give the field a type that JSON can be read as, or take snapshot_every away"
    for problem in found:
        yield Finding("aggregates", "problem", problem, cure)
    if not found and not shared:
        yield Finding("aggregates", "ok", "snapshots can hold their fields")


def _processes(_: Settings) -> Iterator[Finding]:
    found = process_lint.problems(HANDLERS.subscriptions.values())
    for problem in found:
        yield Finding("processes", "problem", problem, "correct it in the class of the process")
    if not found:
        yield Finding("processes", "ok", "each state that a step waits in is entered")


def _people(settings: Settings) -> Iterator[Finding]:
    database = Database(settings.database_url)
    try:
        if migrate.missing(database):
            return  # said above
        people = Users(database).find()
    finally:
        database.dispose()
    if any(user.role == "administrator" and user.active for user in people):
        yield Finding("people", "ok", f"{len(people)} can sign in")
    else:
        cure = "python -m app users add admin --role administrator"
        yield Finding("people", "problem", "there is no administrator", cure)


def _workers(settings: Settings) -> Iterator[Finding]:
    from app.bootstrap import build

    if settings.redis_url is None:
        return  # said above
    platform = build(settings)
    try:
        lanes = sorted(platform.workers.lanes())
    finally:
        platform.close()
    unserved = [lane for lane in LANES if lane not in lanes]
    if not unserved:
        yield Finding("workers", "ok", f"alive, with the lanes {', '.join(lanes)}")
        return
    said = f"none serves {', '.join(unserved)}" if lanes else "none is alive"
    cure = f"celery -A workers worker -Q {','.join(unserved)}"
    yield Finding("workers", "problem", said, cure)


def _outbox(settings: Settings) -> Iterator[Finding]:
    """What SQL committed to publish, and can't."""
    from app.bootstrap import build

    platform = build(settings)
    try:
        if migrate.missing(platform.database):
            return  # said above
        told = platform.outgoing.status()
        stopped = platform.projections.stopped()
    finally:
        platform.close()
    if told["refused"]:
        cure = "python -m app outbox list, then retry or discard"
        yield Finding("outbox", "problem", f"{told['refused']} can't be published", cure)
    elif told["relay"]["owner"] is None and (told["waiting"] or told["relay"]["lag"]):
        cure = "celery -A workers worker -Q system"
        yield Finding("outbox", "problem", "events wait in SQL, and no relay runs", cure)
    else:
        yield Finding("outbox", "ok", f"{told['waiting']} wait")
    for one in stopped:
        cure = f"see python -m app projections; mend it, then resume {one['name']}, or skip"
        yield Finding("projection", "problem", f"{one['name']} is stopped. {one['why']}", cure)


def _show(finding: Finding) -> None:
    mark, colour = MARKS[finding.state]
    click.secho(f"{mark} {finding.check:<12}", fg=colour, nl=False)
    click.echo(f"{finding.said}" + (f" — {finding.cure}" if finding.cure else ""))
