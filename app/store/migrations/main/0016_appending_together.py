"""Appending on PostgreSQL: the first event apart from the rest, and many requests in one call.

The function of 0006 stays for processes of the release before, which call it until they end.
"""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# See 0006 for the lock, and for why an index is the only way.
# `rest` is JSON text, read once: each `->` on a json value parses all of it again.
APPEND = """
CREATE FUNCTION penstock_append(
    into_stream text, expected integer, at double precision, by text,
    first_type text, first_event text, first_key text, rest json,
    OUT appended boolean, OUT version integer, OUT "position" bigint,
    OUT winner_type text, OUT winner_actor text, OUT winner_at double precision
) LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
    mine text := txid_current()::text;
    current integer;
    first bigint;
    written integer;
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
        VALUES (into_stream, current + 1, first_type, first_event, by,
                greatest(at, winner_at), first_key)
        ON CONFLICT (stream, version) DO NOTHING RETURNING e.position INTO first;
        EXIT WHEN first IS NOT NULL;
    END LOOP;
    appended := true;
    version := current + 1;
    position := first;
    IF rest IS NOT NULL THEN
        WITH written AS (
            INSERT INTO stored_events AS e
                (stream, version, type, event, actor, recorded, subject_key)
            SELECT into_stream, current + 1 + given.n, given.r->>0, given.r->>1, by,
                   greatest(at, winner_at), given.r->>2
            FROM json_array_elements(rest) WITH ORDINALITY AS given(r, n) ORDER BY given.n
            RETURNING e.position
        ) SELECT max(written.position), count(*) INTO position, written FROM written;
        version := version + written;
    END IF;
END $$
"""

# For writers of one process that share a commit. Whoever waits for somebody else's transaction
# would make all of them wait, and may be waited for by that one in turn, where PostgreSQL
# can't see it: so nobody waits here for longer than this, and they try one by one instead.
TOGETHER = """
CREATE FUNCTION penstock_append_together(requests json) RETURNS TABLE (
    number integer, appended boolean, version integer, "position" bigint,
    winner_type text, winner_actor text, winner_at double precision
) LANGUAGE plpgsql AS $$
DECLARE
    one json;
    n bigint;
BEGIN
    PERFORM set_config('lock_timeout', '20ms', true);
    FOR one, n IN
        SELECT given.r, given.n FROM json_array_elements(requests) WITH ORDINALITY AS given(r, n)
        ORDER BY given.r->>0, given.n
    LOOP
        RETURN QUERY SELECT (n - 1)::integer, done.* FROM penstock_append(
            one->>0, (one->>1)::integer, (one->>2)::double precision, one->>3,
            one->>4, one->>5, one->>6, nullif((one->7)::text, 'null')::json
        ) AS done;
    END LOOP;
END $$
"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(APPEND)
        op.execute(TOGETHER)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION penstock_append_together")
        op.execute(
            "DROP FUNCTION penstock_append(text, integer, double precision, text, text, text, text, json)"
        )
