"""Appending on PostgreSQL: writers of one process that share a commit share its statement, too.

The function of 0016 stays for processes of the release before, which call it until they end.
"""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

# One statement for all who append one event, each to a stream of its own, which is nearly
# always everybody. Who is not among those that it wrote is served by himself: who has several events
# or a stream in common, who expected another version, and who lost a race since it was read.
# See 0006 for the lock and for why an index is the only way, 0016 for the time that they wait.
AT_ONCE = """
CREATE FUNCTION penstock_append_at_once(requests json) RETURNS TABLE (
    number integer, appended boolean, version integer, "position" bigint,
    winner_type text, winner_actor text, winner_at double precision
) LANGUAGE plpgsql SET enable_seqscan = off SET jit = off AS $$
#variable_conflict use_column
DECLARE
    mine text := txid_current()::text;
    served integer[] := '{}';
    one json;
    n integer;
BEGIN
    PERFORM set_config('lock_timeout', '20ms', true);
    IF current_setting('penstock.appending', true) IS DISTINCT FROM mine THEN
        PERFORM pg_advisory_xact_lock_shared(
            (28773::bigint << 48) | (last_value + CASE WHEN is_called THEN 1 ELSE 0 END)
        ) FROM stored_events_position_seq;
        PERFORM set_config('penstock.appending', mine, true);
    END IF;
    FOR number, version, position IN
        WITH given AS (
            SELECT (item.n - 1)::integer AS number, item.r->>0 AS stream,
                (item.r->>1)::integer AS expected, (item.r->>2)::double precision AS at,
                item.r->>3 AS actor, item.r->>4 AS type, item.r->>5 AS event, item.r->>6 AS key,
                (item.r->7)::text = 'null' AND count(*) OVER (PARTITION BY item.r->>0) = 1 AS alone
            FROM json_array_elements(requests) WITH ORDINALITY AS item(r, n)
        ), written AS (
            INSERT INTO stored_events AS e
                (stream, version, type, event, actor, recorded, subject_key)
            SELECT given.stream, coalesce(newest.version, 0) + 1, given.type, given.event,
                given.actor, greatest(given.at, newest.recorded), given.key
            FROM given LEFT JOIN LATERAL (
                SELECT s.version, s.recorded FROM stored_events s
                WHERE s.stream = given.stream ORDER BY s.version DESC LIMIT 1
            ) AS newest ON true
            WHERE given.alone
            AND (given.expected IS NULL OR given.expected = coalesce(newest.version, 0))
            ORDER BY given.stream
            ON CONFLICT (stream, version) DO NOTHING
            RETURNING e.stream, e.version, e.position
        )
        SELECT given.number, written.version, written.position
        FROM written JOIN given ON given.stream = written.stream
    LOOP
        appended := true;
        served := served || number;
        RETURN NEXT;
    END LOOP;
    IF cardinality(served) = json_array_length(requests) THEN
        RETURN;
    END IF;
    FOR one, n IN
        SELECT item.r, (item.n - 1)::integer
        FROM json_array_elements(requests) WITH ORDINALITY AS item(r, n)
        WHERE (item.n - 1)::integer <> ALL (served) ORDER BY item.r->>0, item.n
    LOOP
        RETURN QUERY SELECT n, done.* FROM penstock_append(
            one->>0, (one->>1)::integer, (one->>2)::double precision, one->>3,
            one->>4, one->>5, one->>6, nullif((one->7)::text, 'null')::json
        ) AS done;
    END LOOP;
END $$
"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(AT_ONCE)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION penstock_append_at_once")
