"""The outbox, who owns what only one may do, and the cases of joins and processes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    serial = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "outbox",
        sa.Column("id", serial, nullable=False),
        sa.Column("due", sa.Double(), nullable=False),
        sa.Column("handle", sa.String(), nullable=True),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_outbox_due", "outbox", ["due"], unique=False)
    op.create_index("ix_outbox_handle", "outbox", ["handle"], unique=False)
    op.create_table(
        "owners",
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("fence", serial, nullable=False),
        sa.Column("until", sa.Double(), nullable=False),
        sa.Column("position", serial, nullable=False),
        sa.PrimaryKeyConstraint("what"),
    )
    op.create_table(
        "cases",
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("data", sa.Text(), nullable=True),
        sa.Column("generation", serial, nullable=False),
        sa.Column("since", sa.Double(), nullable=False),
        sa.Column("updated", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "key"),
    )
    op.create_index("ix_cases_updated", "cases", ["updated"], unique=False)


def downgrade() -> None:
    for table in ("cases", "owners", "outbox"):
        op.drop_table(table)
