"""`python -m app migrate`: the release step; safe to run many times, and by many at once.

It brings the tables up to date, writes down the schemas and subscriptions of PENSTOCK_HANDLERS,
and lets the first administrator in where nobody can sign in yet and a password is given.
"""

from __future__ import annotations

from typing import Any

import click
import redis

from app.cli.platform import ACTOR, loaded, opened
from app.cli.render import json_option, show_json
from app.errors import Conflict, Unavailable
from app.store.database import Database
from app.store.migrate import upgrade_all
from config.settings import Settings

ADMINISTRATOR = "admin"


@click.command(epilog="\b\nExample:\n  DATABASE_URL=postgres://… python -m app migrate")
@json_option
def migrate(as_json: bool) -> None:
    """Bring the database up to date (the release step of a deployment)."""
    from app.importing import declare

    settings = loaded()
    revisions = _upgrade(settings)
    with opened() as platform:
        administrator = _first_administrator(platform)
        try:
            # With no server yet (embedded), workers declare theirs when they start.
            declared = declare(platform) if settings.redis_url else []
        except redis.RedisError as error:
            raise Unavailable(
                f"The database is up to date ({len(revisions)} new revisions), but Redis can't be told what "
                f"PENSTOCK_HANDLERS declares ({error}): check REDIS_URL and the server, then run this again."
            ) from error
    if as_json:
        show_json(
            {"revisions": revisions, "subscriptions": declared, "administrator": administrator}
        )
        return
    click.echo(f"The database is up to date ({len(revisions)} new revisions).")
    if administrator == "missing":
        click.echo("Nobody can sign in yet: python -m app users add admin --role administrator")


def _upgrade(settings: Settings) -> list[str]:
    main, archive = Database(settings.database_url), Database(settings.archive_url)
    try:
        return upgrade_all(main, archive)
    finally:
        main.dispose()
        archive.dispose()


def _first_administrator(platform: Any) -> str:
    """`exists`, `created`, or `missing` where nobody can sign in and no password is given."""
    if platform.users.find():
        return "exists"
    password = platform.settings.admin_password
    if password is None:
        return "missing"
    try:
        with platform.audit.changing(ACTOR, "user.added", ADMINISTRATOR) as change:
            change.after = {"role": "administrator"}
            platform.users.create(ADMINISTRATOR, password.get_secret_value(), "administrator")
    except Conflict:
        return "exists"  # another release step was first
    return "created"
