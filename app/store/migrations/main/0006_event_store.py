"""The event store: rows that nobody changes, and an order that no reader can skip a part of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

REFUSED = "stored events are immutable: append another event that corrects it"

# A reader may go as far as positions were given out, but not past the lowest position that a
# transaction which is still open may hold. Each transaction says what that is, in the name of an
# advisory lock, before it takes its first position; so the order here matters: first the sequence,
# then the locks, and the rows in a statement of their own afterwards. See docs/decisions/0031.
# By index only, since the plan may be of when the table was small; and without the compiler, which
# takes the cost of what is forbidden (the sequence is read whole) for work: 0.6 s for each append.
POSTGRES = [
    f"""
CREATE FUNCTION penstock_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '{REFUSED}' USING ERRCODE = 'integrity_constraint_violation';
END $$
""",
    """
CREATE TRIGGER stored_events_immutable BEFORE UPDATE OR DELETE ON stored_events
FOR EACH ROW EXECUTE FUNCTION penstock_refuse()
""",
    """
CREATE TRIGGER stored_events_kept BEFORE TRUNCATE ON stored_events
FOR EACH STATEMENT EXECUTE FUNCTION penstock_refuse()
""",
    """
CREATE FUNCTION penstock_horizon() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    given bigint;
    open bigint;
BEGIN
    SELECT CASE WHEN is_called THEN last_value ELSE 0 END INTO given
    FROM stored_events_position_seq;
    SELECT min(((classid::bigint & 65535) << 32) | objid::bigint) INTO open
    FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1 AND (classid::bigint >> 16) = 28773
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database());
    RETURN least(given, coalesce(open - 1, given));
END $$
""",
    """
CREATE FUNCTION penstock_append(
    into_stream text, expected integer, at double precision, by text, rows json,
    OUT appended boolean, OUT version integer, OUT "position" bigint,
    OUT winner_type text, OUT winner_actor text, OUT winner_at double precision
) LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
    mine text := txid_current()::text;
    current integer;
    first bigint;
    n integer := json_array_length(rows);
BEGIN
    IF current_setting('penstock.appending', true) IS DISTINCT FROM mine THEN
        PERFORM pg_advisory_xact_lock_shared(
            (28773::bigint << 48) | (last_value + CASE WHEN is_called THEN 1 ELSE 0 END)
        ) FROM stored_events_position_seq;
        PERFORM set_config('penstock.appending', mine, true);
    END IF;
    LOOP
        SELECT e.version, e.type, e.actor, e.recorded
        INTO current, winner_type, winner_actor, winner_at
        FROM stored_events e WHERE e.stream = into_stream ORDER BY e.version DESC LIMIT 1;
        current := coalesce(current, 0);
        IF expected IS NOT NULL AND current <> expected THEN
            appended := false;
            version := current;
            RETURN;
        END IF;
        -- Whoever has the first row has them all: nobody sees the next version free before the
        -- commit. So a lost race leaves nothing behind, and needs no savepoint.
        INSERT INTO stored_events AS e (stream, version, type, event, actor, recorded, subject_key)
        SELECT into_stream, current + 1, rows->0->>0, rows->0->>1, by,
               greatest(at, winner_at), rows->0->>2
        ON CONFLICT (stream, version) DO NOTHING RETURNING e.position INTO first;
        EXIT WHEN first IS NOT NULL;
    END LOOP;
    position := first;
    IF n > 1 THEN
        WITH written AS (
            INSERT INTO stored_events AS e
                (stream, version, type, event, actor, recorded, subject_key)
            SELECT into_stream, current + given.n, given.r->>0, given.r->>1, by,
                   greatest(at, winner_at), given.r->>2
            FROM json_array_elements(rows) WITH ORDINALITY AS given(r, n)
            WHERE given.n > 1 ORDER BY given.n
            RETURNING e.position
        ) SELECT max(written.position) INTO position FROM written;
    END IF;
    appended := true;
    version := current + n;
END $$
""",
]

SQLITE = [
    f"""
CREATE TRIGGER stored_events_{what.lower()} BEFORE {what} ON stored_events
BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END
"""
    for what in ("UPDATE", "DELETE")
]


def upgrade() -> None:
    op.create_table(
        "stored_events",
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("stream", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(), nullable=True),
        sa.Column("recorded", sa.Double(), nullable=False),
        sa.Column("subject_key", sa.String(), nullable=True),
        sa.UniqueConstraint("stream", "version"),
    )
    op.create_index(
        "stored_events_first",
        "stored_events",
        ["position"],
        unique=True,
        sqlite_where=sa.text("version = 1"),
        postgresql_where=sa.text("version = 1"),
    )
    on_postgres = op.get_bind().dialect.name == "postgresql"
    for statement in POSTGRES if on_postgres else SQLITE:
        op.execute(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION penstock_append")
        op.execute("DROP FUNCTION penstock_horizon")
    op.drop_table("stored_events")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION penstock_refuse")
