"""The outbox: what is to be published, and what can't be, are found without reading what is for later."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

WAITING, REFUSED = sa.text("problem IS NULL"), sa.text("problem IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "outbox_waiting", "outbox", ["due", "id"], sqlite_where=WAITING, postgresql_where=WAITING
    )
    op.create_index(
        "outbox_refused", "outbox", ["id"], sqlite_where=REFUSED, postgresql_where=REFUSED
    )
    op.drop_index("ix_outbox_due", "outbox")


def downgrade() -> None:
    op.create_index("ix_outbox_due", "outbox", ["due"])
    op.drop_index("outbox_refused", "outbox")
    op.drop_index("outbox_waiting", "outbox")
