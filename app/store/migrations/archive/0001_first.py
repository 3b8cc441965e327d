"""The archive's tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "archive_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "arrival_counts",
        sa.Column("minute", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("minute", "type"),
    )
    op.create_table(
        "events",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=True),
        sa.Column("partitionkey", sa.String(), nullable=True),
        sa.Column("correlationid", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("position", sa.String(), nullable=False),
        sa.Column("time", sa.Double(), nullable=False),
        sa.Column("archived", sa.Double(), nullable=False),
        sa.Column("envelope", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id", "source", name="events_identity"),
    )
    op.create_index(
        "events_by_correlation", "events", ["correlationid", "time", "number"], unique=False
    )
    op.create_index(
        "events_by_key",
        "events",
        ["partitionkey", "time", "number"],
        unique=False,
        sqlite_where=sa.text("partitionkey IS NOT NULL"),
        postgresql_where=sa.text("partitionkey IS NOT NULL"),
    )
    op.create_index("events_by_place", "events", ["topic", "partition", "position"], unique=False)
    op.create_index(
        "events_by_subject",
        "events",
        ["subject", "time", "number"],
        unique=False,
        sqlite_where=sa.text("subject IS NOT NULL"),
        postgresql_where=sa.text("subject IS NOT NULL"),
    )
    op.create_index("events_by_time", "events", ["time", "number"], unique=False)
    op.create_index("events_by_topic", "events", ["topic", "time", "number"], unique=False)
    op.create_index("events_by_type", "events", ["type", "time", "number"], unique=False)


def downgrade() -> None:
    op.drop_table("events")
    op.drop_table("arrival_counts")
