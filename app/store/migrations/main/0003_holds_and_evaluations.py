"""Runs that wait for a person; intervals and drawings of a model's evaluation."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "holds",
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("correlationid", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("what"),
    )
    op.create_index("ix_holds_correlationid", "holds", ["correlationid"], unique=False)
    op.add_column("model_versions", sa.Column("intervals", sa.Text(), nullable=True))
    op.add_column("model_versions", sa.Column("gain", sa.Text(), nullable=True))
    op.add_column("model_versions", sa.Column("details", sa.String(), nullable=True))


def downgrade() -> None:
    for column in ("details", "gain", "intervals"):
        op.drop_column("model_versions", column)
    op.drop_table("holds")
