"""Arrivals by ten minutes, hours and four hours, made of those by minutes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "archive_0002"
down_revision = "archive_0001"
branch_labels = None
depends_on = None

STEPS = (10, 60, 240)


def upgrade() -> None:
    op.create_table(
        "coarse_arrivals",
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("minute", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("step", "minute", "type"),
    )
    for step in STEPS:
        op.execute(
            "INSERT INTO coarse_arrivals (step, minute, type, topic, count)"
            f" SELECT {step}, minute / {step} * {step}, type, MAX(topic), SUM(count)"
            f" FROM arrival_counts GROUP BY minute / {step} * {step}, type"
        )


def downgrade() -> None:
    op.drop_table("coarse_arrivals")
