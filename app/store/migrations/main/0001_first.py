"""The first tables of the main database."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# The audit log is append-only: the database itself refuses anything else.
REFUSE_ON_SQLITE = """
CREATE TRIGGER audit_refuses_{action} BEFORE {action} ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
"""
REFUSE_ON_POSTGRESQL = """
CREATE FUNCTION audit_refuses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$;
CREATE TRIGGER audit_refuses_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
FOR EACH STATEMENT EXECUTE FUNCTION audit_refuses();
"""


def upgrade() -> None:
    op.create_table(
        "announced_events",
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("correlationid", sa.String(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("event_id"),
    )
    op.create_index(
        "ix_announced_events_correlationid", "announced_events", ["correlationid"], unique=False
    )
    op.create_table(
        "applied_records",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_applied_records_at", "applied_records", ["at"], unique=False)
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.Column("details", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("audit_by_action", "audit", ["action", "id"], unique=False)
    op.create_index("audit_by_actor", "audit", ["actor", "id"], unique=False)
    op.create_index("audit_by_target", "audit", ["target", "id"], unique=False)
    op.create_table(
        "blobs",
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("ref"),
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("event_source", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("subscription", sa.String(), nullable=False),
        sa.Column("correlationid", sa.String(), nullable=False),
        sa.Column(
            "generation", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("frame", sa.Text(), nullable=False),
        sa.Column("group_id", sa.String(), nullable=False),
        sa.Column("first_parked", sa.Double(), nullable=False),
        sa.Column("parked", sa.Double(), nullable=False),
        sa.Column("replay", sa.String(), nullable=True),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Text(), nullable=False),
        sa.Column("closed_by", sa.String(), nullable=True),
        sa.Column("closed", sa.Double(), nullable=True),
        sa.Column("closed_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "dead_letters_by_group", "dead_letters", ["state", "group_id", "parked", "id"], unique=False
    )
    op.create_index("dead_letters_by_run", "dead_letters", ["correlationid"], unique=False)
    op.create_index(
        "dead_letters_by_state", "dead_letters", ["state", "parked", "id"], unique=False
    )
    op.create_index(
        "dead_letters_by_subscription",
        "dead_letters",
        ["state", "subscription", "parked", "id"],
        unique=False,
    )
    op.create_index(
        "dead_letters_by_type", "dead_letters", ["state", "type", "parked", "id"], unique=False
    )
    op.create_index(
        "dead_letters_of_event",
        "dead_letters",
        ["event_id", "event_source", "subscription"],
        unique=True,
    )
    op.create_table(
        "deliveries",
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("event_source", sa.String(), nullable=False),
        sa.Column("subscription", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("correlationid", sa.String(), nullable=False),
        sa.Column(
            "generation", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.Column("published", sa.Double(), nullable=False),
        sa.Column("started", sa.Double(), nullable=True),
        sa.Column("ended", sa.Double(), nullable=True),
        sa.Column("due", sa.Double(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("worker", sa.String(), nullable=True),
        sa.Column("replay", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("event_id", "event_source", "subscription"),
    )
    op.create_index("deliveries_by_run", "deliveries", ["correlationid"], unique=False)
    op.create_index(
        "deliveries_open",
        "deliveries",
        ["subscription", "published"],
        unique=False,
        sqlite_where=sa.text("settled = 0"),
        postgresql_where=sa.text("NOT settled"),
    )
    op.create_table(
        "delivery_attempts",
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("event_source", sa.String(), nullable=False),
        sa.Column("subscription", sa.String(), nullable=False),
        sa.Column(
            "generation", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("started", sa.Double(), nullable=False),
        sa.Column("ended", sa.Double(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("traceback", sa.Text(), nullable=True),
        sa.Column("worker", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint(
            "event_id", "event_source", "subscription", "generation", "attempt"
        ),
    )
    op.create_table(
        "delivery_effects",
        sa.Column("delivery_id", sa.String(), nullable=False),
        sa.Column("outputs", sa.Text(), nullable=True),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("delivery_id"),
    )
    op.create_index("ix_delivery_effects_at", "delivery_effects", ["at"], unique=False)
    op.create_table(
        "replay_items",
        sa.Column("replay_id", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("subscription", sa.String(), nullable=False),
        sa.Column("dead_letter", sa.String(), nullable=True),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("event_source", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("sent_id", sa.String(), nullable=False),
        sa.Column("event", sa.Text(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("claimed", sa.Double(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("replay_id", "number"),
    )
    op.create_index(
        "replay_items_by_event",
        "replay_items",
        ["replay_id", "sent_id", "subscription"],
        unique=False,
    )
    op.create_index(
        "replay_items_by_state", "replay_items", ["replay_id", "state", "number"], unique=False
    )
    op.create_table(
        "replays",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("selection", sa.Text(), nullable=False),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("stopped", sa.Text(), nullable=True),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("ended", sa.Double(), nullable=True),
        sa.Column("paused_from", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("replays_by_state", "replays", ["state"], unique=False)
    op.create_index("replays_by_time", "replays", ["created", "id"], unique=False)
    op.create_table(
        "rollups",
        sa.Column("minute", sa.Integer(), nullable=False),
        sa.Column("subscription", sa.String(), nullable=False),
        sa.Column("succeeded", sa.Integer(), nullable=False),
        sa.Column("retrying", sa.Integer(), nullable=False),
        sa.Column("parked", sa.Integer(), nullable=False),
        sa.Column("cancelled", sa.Integer(), nullable=False),
        sa.Column("excluded", sa.Integer(), nullable=False),
        sa.Column("waited", sa.Double(), nullable=False),
        sa.Column("waited_max", sa.Double(), nullable=False),
        sa.Column("worked", sa.Double(), nullable=False),
        sa.Column("worked_max", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("minute", "subscription"),
    )
    op.create_index("rollups_by_subscription", "rollups", ["subscription", "minute"], unique=False)
    op.create_table(
        "run_events",
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("event_source", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=True),
        sa.Column("correlationid", sa.String(), nullable=False),
        sa.Column("causationid", sa.String(), nullable=True),
        sa.Column("time", sa.Double(), nullable=False),
        sa.Column("published", sa.Double(), nullable=False),
        sa.Column("arrived", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "event_source"),
    )
    op.create_index("run_events_by_run", "run_events", ["correlationid", "published"], unique=False)
    op.create_table(
        "runs",
        sa.Column("correlationid", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=True),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("started", sa.Double(), nullable=False),
        sa.Column("ended", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("correlationid"),
    )
    op.create_index("runs_by_start", "runs", ["started", "correlationid"], unique=False)
    op.create_index("runs_by_state", "runs", ["state", "started", "correlationid"], unique=False)
    op.create_index("runs_by_type", "runs", ["type", "started", "correlationid"], unique=False)
    op.create_table(
        "schemas",
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("topic", sa.String(), nullable=False),
        sa.Column("tracking", sa.String(), nullable=False),
        sa.Column("json_schema", sa.Text(), nullable=False),
        sa.Column("doc", sa.Text(), nullable=False),
        sa.Column("saved", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("type", "version"),
    )
    op.create_table(
        "subscriptions",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("overrides", sa.Text(), nullable=False),
        sa.Column("paused_by", sa.String(), nullable=True),
        sa.Column("paused_at", sa.Double(), nullable=True),
        sa.Column("paused_reason", sa.Text(), nullable=True),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("changed", sa.Double(), nullable=False),
        sa.Column("changed_by", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("secret_hash", sa.String(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("expires", sa.Double(), nullable=True),
        sa.Column("last_used", sa.Double(), nullable=True),
        sa.Column("revoked", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("secret_hash"),
    )
    op.create_table(
        "users",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("session_version", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("last_sign_in", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "blob_chunks",
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["ref"], ["blobs.ref"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("ref", "number"),
    )
    if op.get_bind().dialect.name == "sqlite":
        for action in ("UPDATE", "DELETE"):
            op.execute(REFUSE_ON_SQLITE.format(action=action))
    else:
        op.execute(REFUSE_ON_POSTGRESQL)


def downgrade() -> None:
    op.drop_table("blob_chunks")
    op.drop_table("users")
    op.drop_table("tokens")
    op.drop_table("subscriptions")
    op.drop_table("schemas")
    op.drop_table("runs")
    op.drop_table("run_events")
    op.drop_table("rollups")
    op.drop_table("replays")
    op.drop_table("replay_items")
    op.drop_table("delivery_effects")
    op.drop_table("delivery_attempts")
    op.drop_table("deliveries")
    op.drop_table("dead_letters")
    op.drop_table("blobs")
    op.drop_table("audit")
    op.drop_table("applied_records")
    op.drop_table("announced_events")
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION audit_refuses()")
