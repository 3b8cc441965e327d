"""What stopped a projection, apart from the text that says it."""

from __future__ import annotations

import json
import re

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

EVENT = re.compile(r"(\d+) (\S+) (\S+): (.*)", re.DOTALL)
OLDER = "This version of the code"
FOLLOWERS = sa.table(
    "followers",
    sa.column("name", sa.String()),
    sa.column("build", sa.Integer()),
    sa.column("problem", sa.Text()),
    sa.column("stopped_by", sa.Text()),
)


def upgrade() -> None:
    op.add_column("followers", sa.Column("stopped_by", sa.Text(), nullable=True))
    for row in _stopped():
        if found := EVENT.fullmatch(row.problem):
            position, type, event, error = found.groups()
            by = {"position": int(position), "type": type, "event": event}
            _write(row, error, json.dumps(by))
        elif row.problem.startswith(OLDER):
            _write(row, row.problem, json.dumps({"older": True}))


def downgrade() -> None:
    for row in _stopped():
        by = json.loads(row.stopped_by) if row.stopped_by else {}
        if "position" in by:
            _write(row, f"{by['position']} {by['type']} {by['event']}: {row.problem}", None)
    op.drop_column("followers", "stopped_by")


def _stopped() -> list[sa.Row[tuple[str, int, str, str]]]:
    return list(op.get_bind().execute(sa.select(FOLLOWERS).where(FOLLOWERS.c.problem.is_not(None))))


def _write(row: sa.Row[tuple[str, int, str, str]], problem: str, by: str | None) -> None:
    where = (FOLLOWERS.c.name == row.name) & (FOLLOWERS.c.build == row.build)
    op.execute(FOLLOWERS.update().where(where).values(problem=problem, stopped_by=by))
