"""Records of settled deliveries are kept, so that the console's rows can be built anew."""

from __future__ import annotations

import time

import sqlalchemy as sa
from alembic import op

revision = "archive_0003"
down_revision = "archive_0002"
branch_labels = None
depends_on = None

ROLLING = 600.0
"""Seconds for which a worker of the release before may go on, which keeps none."""


def upgrade() -> None:
    records = op.create_table(
        "settled_records",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("first", sa.Double(), nullable=False),
        sa.Column("last", sa.Double(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("settled_records_by_time", "settled_records", ["last"], unique=False)
    connection = op.get_bind()
    if connection.execute(sa.text("SELECT 1 FROM events LIMIT 1")).first():
        until = time.time() + ROLLING  # what was settled before then isn't all here
        none = {"first": 0.0, "last": until, "count": 0, "body": b""}
        connection.execute(records.insert().values(**none))


def downgrade() -> None:
    op.drop_table("settled_records")
