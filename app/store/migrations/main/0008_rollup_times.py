"""Histograms of waiting and working, rollups of workers, and how far subscriptions were behind."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

COUNTS = ("succeeded", "retrying", "parked", "cancelled", "excluded")
TIMES = ("waited", "waited_max", "worked", "worked_max")
HISTOGRAMS = ("waited_in", "worked_in")


def upgrade() -> None:
    with op.batch_alter_table("rollups") as table:
        for name in HISTOGRAMS:
            table.add_column(sa.Column(name, sa.Text(), nullable=True))
    op.create_table(
        "worker_rollups",
        sa.Column("minute", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in COUNTS),
        *(sa.Column(name, sa.Double(), nullable=False) for name in TIMES),
        *(sa.Column(name, sa.Text(), nullable=True) for name in HISTOGRAMS),
        sa.Column("worker", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("minute", "worker"),
    )
    op.create_index("worker_rollups_by_worker", "worker_rollups", ["worker", "minute"])
    op.create_table(
        "lags",
        sa.Column("minute", sa.Integer(), nullable=False),
        sa.Column("subscription", sa.String(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("minute", "subscription"),
    )
    op.create_index("lags_by_subscription", "lags", ["subscription", "minute"])


def downgrade() -> None:
    op.drop_table("lags")
    op.drop_table("worker_rollups")
    with op.batch_alter_table("rollups") as table:
        for name in HISTOGRAMS:
            table.drop_column(name)
