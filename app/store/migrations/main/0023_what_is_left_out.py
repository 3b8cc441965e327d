"""Which events a projection is to leave out, as an operator said once for all of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("followers", sa.Column("leaves_out", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("followers", "leaves_out")
