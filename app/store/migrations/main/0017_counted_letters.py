"""Indexes of dead letters that hold what they are counted by."""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

INDEXES = {
    "dead_letters_by_state": ["state", "parked", "id"],
    "dead_letters_by_group": ["state", "group_id", "parked", "id"],
    "dead_letters_by_subscription": ["state", "subscription", "parked", "id"],
    "dead_letters_by_type": ["state", "type", "parked", "id"],
}
COUNTED = ("subscription", "type", "group_id")  # each but the one that the index begins with


def upgrade() -> None:
    for name, columns in INDEXES.items():
        op.drop_index(name, "dead_letters")
        counted = [column for column in COUNTED if column not in columns]
        op.create_index(name, "dead_letters", [*columns, *counted])


def downgrade() -> None:
    for name, columns in INDEXES.items():
        op.drop_index(name, "dead_letters")
        op.create_index(name, "dead_letters", columns)
