"""What is still to be written for long replays."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "replay_work",
        sa.Column("replay_id", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("frozen", sa.Double(), nullable=False),
        sa.Column("written", sa.Integer(), nullable=False),
        sa.Column("place", sa.Text(), nullable=True),
        sa.Column("letters", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("replay_id"),
    )


def downgrade() -> None:
    op.drop_table("replay_work")
