"""The commands there are, answers that can be waited for, and where a change came from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

ORIGIN = ("interface", "address", "cause")


def upgrade() -> None:
    op.create_table(
        "commands",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("module", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("json_schema", sa.Text(), nullable=False),
        sa.Column("doc", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.add_column("command_answers", sa.Column("id", sa.String(), nullable=True))
    op.add_column("command_answers", sa.Column("problem", sa.Text(), nullable=True))
    op.create_index("ix_command_answers_id", "command_answers", ["id"], unique=False)
    for name in ORIGIN:
        op.add_column("audit", sa.Column(name, sa.String(), nullable=True))
    op.create_index("audit_by_cause", "audit", ["cause"], unique=False)


def downgrade() -> None:
    op.drop_index("audit_by_cause", table_name="audit")
    for name in ORIGIN:
        op.drop_column("audit", name)
    op.drop_index("ix_command_answers_id", table_name="command_answers")
    op.drop_column("command_answers", "problem")
    op.drop_column("command_answers", "id")
    op.drop_table("commands")
