"""Groups of failures with counters and a life, prepared edits, last successes, approvals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "failure_groups",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("subscription", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("frame", sa.Text(), nullable=False),
        sa.Column("example", sa.String(), nullable=False),
        sa.Column("first", sa.Double(), nullable=False),
        sa.Column("last", sa.Double(), nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("parked", sa.Integer(), nullable=False),
        sa.Column("replaying", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("state_by", sa.String(), nullable=True),
        sa.Column("state_at", sa.Double(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("ignored_until", sa.Double(), nullable=True),
        sa.Column("ignored_above", sa.Integer(), nullable=True),
        sa.Column("reopened", sa.Integer(), nullable=False),
        sa.Column("first_code", sa.String(), nullable=True),
        sa.Column("last_code", sa.String(), nullable=True),
        sa.Column("last_model", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("failure_groups_by_subscription", "failure_groups", ["subscription"])
    op.create_index("failure_groups_by_last", "failure_groups", ["state", "last"])
    op.create_table(
        "failure_counts",
        sa.Column("group_id", sa.String(), nullable=False),
        sa.Column("span", sa.Integer(), nullable=False),
        sa.Column("at", sa.Integer(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "span", "at"),
    )
    op.create_index("failure_counts_by_time", "failure_counts", ["span", "at"])
    op.create_table(
        "last_successes",
        sa.Column("subscription", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("event_source", sa.String(), nullable=False),
        sa.Column("correlationid", sa.String(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("subscription", "type"),
    )
    for name, kind in (
        ("code", sa.String()),
        ("model", sa.String()),
        ("edit", sa.Text()),
        ("edit_by", sa.String()),
        ("edit_at", sa.Double()),
    ):
        op.add_column("dead_letters", sa.Column(name, kind, nullable=True))
    op.create_index(
        "dead_letters_edited",
        "dead_letters",
        ["state", "group_id"],
        sqlite_where=sa.text("edit_by IS NOT NULL"),
        postgresql_where=sa.text("edit_by IS NOT NULL"),
    )
    for name, kind in (
        ("approval", sa.String()),
        ("approved_by", sa.String()),
        ("approved", sa.Double()),
    ):
        op.add_column("replays", sa.Column(name, kind, nullable=True))
    _count_what_is_there()


def _count_what_is_there() -> None:
    """Groups of the dead letters that were parked before groups had rows."""
    op.execute(
        "INSERT INTO failure_groups (id, subscription, type, reason, title, error, frame, example,"
        " first, last, seen, parked, replaying, state, note, reopened)"
        " SELECT l.group_id, l.subscription, l.type, l.reason, l.title, l.title, l.frame, l.id,"
        " g.first, g.last, g.seen, g.parked, g.replaying,"
        " CASE WHEN g.parked + g.replaying > 0 THEN 'open' ELSE 'resolved' END, '', 0"
        " FROM (SELECT group_id, MIN(first_parked) AS first, MAX(parked) AS last,"
        "   COUNT(*) AS seen, MAX(id) AS example,"
        "   SUM(CASE WHEN state = 'parked' THEN 1 ELSE 0 END) AS parked,"
        "   SUM(CASE WHEN state = 'replaying' THEN 1 ELSE 0 END) AS replaying"
        "   FROM dead_letters GROUP BY group_id) g"
        " JOIN dead_letters l ON l.id = g.example"
    )
    for span in (60, 3600):
        # A cast cuts on SQLite and rounds on PostgreSQL: take the half of a span away there.
        at = (
            f"CAST(parked / {span} AS INTEGER)"
            if op.get_bind().dialect.name == "sqlite"
            else f"CAST(FLOOR(parked / {span}) AS INTEGER)"
        )
        op.execute(
            f"INSERT INTO failure_counts (group_id, span, at, count)"
            f" SELECT group_id, {span}, {at}, COUNT(*) FROM dead_letters GROUP BY group_id, {at}"
        )


def downgrade() -> None:
    for name in ("approved", "approved_by", "approval"):
        op.drop_column("replays", name)
    op.drop_index("dead_letters_edited", "dead_letters")
    for name in ("edit_at", "edit_by", "edit", "model", "code"):
        op.drop_column("dead_letters", name)
    for table in ("last_successes", "failure_counts", "failure_groups"):
        op.drop_table(table)
