"""Rollups as charts read them: percentiles from merged histograms, coarser with age, lags."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from alembic import command
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from app.errors import Refused
from app.store import coarse, migrate
from app.store.bulk import Bulk
from app.store.charted import RANGES, Charted
from app.store.coarse import write_lags
from app.store.projection import counts
from app.telemetry.histogram import bucket_of, merged, quantile, upper
from tests.store.stories import SUBSCRIPTION, T0, arrival, declared, delivery, event, record


@given(st.floats(0.0002, 1e6))
def test_a_bucket_holds_what_is_in_it(seconds):
    bucket = bucket_of(seconds)
    assert upper(bucket - 1) <= seconds <= upper(bucket)


@given(st.lists(st.floats(0.001, 1000), min_size=1, max_size=40), st.integers(1, 39))
def test_a_percentile_is_right_within_a_fifth(values, cut):
    whole = [{bucket_of(v): 1} for v in values]
    histogram = merged([merged(whole[:cut]), merged(whole[cut:])])
    for share in (0.5, 0.95, 0.99):
        exact = sorted(values)[max(0, -(-int(share * 1000 * len(values)) // 1000) - 1)]
        assert quantile(histogram, share) == pytest.approx(exact, rel=0.2)


def settle(store, at, took, by=SUBSCRIPTION, worker="w1", many=1):
    told = delivery(event(f"e{at}"), started=at, took=took)
    counts = {"succeeded": many, "retrying": 0, "parked": 0, "excluded": 0}
    worked = {"sum": took * many, "max": took, "in": {str(bucket_of(took)): many}}
    store.projection.apply_records(
        [record(told, by=by, at=at, worker=worker, counts=counts, worked=worked)]
    )


def charted(store):
    return Charted(store.main, store.archive, store.clock)


def test_a_range_has_the_percentiles_of_all_records_in_each_step(store, clock):
    store.subscriptions.declare([declared()])
    store.archive.add([arrival(event("a"))])
    settle(store, 1, 0.1, many=96)
    settle(store, 2, 8.0, worker="w2", many=4)
    clock.time = T0 + 130
    found = charted(store).over("15m", subscription=SUBSCRIPTION)
    assert (found["step"], len(found["rows"])) == (60, 15)
    row = next(row for row in found["rows"] if row["done"])
    assert (row["in"], row["done"]) == (1, 100)
    assert row["worked"]["p50"] == pytest.approx(0.1, rel=0.2)
    assert row["worked"]["p99"] == pytest.approx(8.0, rel=0.2)
    assert row["lag"] == {"events": None, "seconds": None}
    of_worker = charted(store).over("15m", worker="w2")["rows"]
    assert [r["done"] for r in of_worker if r["done"]] == [4]
    assert of_worker[0]["in"] is None
    assert sum(row["done"] for row in charted(store).over("15m")["rows"]) == 100
    of_topic = charted(store).over("24h", topic="order")["rows"]
    assert [r["done"] for r in of_topic if r["done"]] == [100]


def test_long_charts_stay_the_same_when_minutes_are_forgotten(store, clock):
    store.subscriptions.declare([declared()])
    for minute in range(25):
        settle(store, minute * 60, 0.5, many=minute + 1)
    first = int(T0 // 60)
    with store.main.session() as session:
        write_lags(Bulk(session), [(first + n, SUBSCRIPTION, n, 2.0 * n) for n in range(9)])

    def rows(table, more=""):
        with store.main.read() as session:
            return session.execute(text(f"SELECT COUNT(*) FROM {table} {more}")).scalar()

    def drawn():
        whose = ({"subscription": SUBSCRIPTION}, {"topic": "order"}, {"worker": "w1"}, {})
        return [charted(store).over(range, **who) for range in ("7d", "30d") for who in whose]

    def forget():
        with store.main.session() as session:
            return coarse.forget(Bulk(session), int(clock.time // 60), first - 90 * coarse.DAY)

    clock.time = T0 + 3 * 86_400
    before = drawn()
    done = [sum(row["done"] for row in one["rows"]) for one in before]
    assert done == [25 * 26 // 2] * 8
    assert [max(row["lag"]["seconds"] or 0 for row in one["rows"]) for one in before[:2]] == [
        16
    ] * 2
    assert (rows("rollups"), rows("lags")) == (25, 9)
    assert forget() > 0
    assert (rows("rollups"), rows("worker_rollups"), rows("lags")) == (0, 0, 0)
    assert rows("coarse_rollups", "WHERE step = 1") == 0
    assert drawn() == before
    clock.time = T0 + 9 * 86_400
    assert forget() > 0
    assert rows("coarse_rollups", "WHERE step = 10") == 0
    month = charted(store).over("30d", subscription=SUBSCRIPTION)["rows"]
    assert sum(row["done"] for row in month) == 25 * 26 // 2
    assert max(row["lag"]["events"] or 0 for row in month) == 8
    assert forget() == 0


def test_a_migration_makes_of_old_minutes_what_would_have_been_kept(store, clock):
    store.subscriptions.declare([declared()])
    for minute in (0, 3, 70, 300):
        settle(store, minute * 60, 0.25, many=minute + 1)
        settle(store, minute * 60 + 1, 4.0, by="shop.other", worker="w2")
    first = int(T0 // 60)
    lags = [
        (first + n, name, n or None, 2.0 * n) for n in range(70) for name in ("a", SUBSCRIPTION)
    ]
    with store.main.session() as session:
        write_lags(Bulk(session), lags)

    def kept():
        with store.main.read() as session:
            rows = session.execute(
                text("SELECT * FROM coarse_rollups ORDER BY whose, step, minute")
            )
            worst = session.execute(text("SELECT * FROM coarse_lags ORDER BY whose, step, minute"))
            read = [
                {k: json.loads(v) if k in counts.HISTOGRAMS else v for k, v in row.items()}
                for row in rows.mappings()
            ]
            return read, [dict(row) for row in worst.mappings()]

    before = kept()
    assert len(before[0]) > 30
    for move, to in ((command.downgrade, "0017"), (command.upgrade, "head")):
        with store.main.engine.connect() as connection:
            config = migrate._config("main")
            config.attributes["connection"] = connection
            move(config, to)
            connection.commit()
    assert kept() == before


def test_a_subscription_of_our_own_lane_is_no_part_of_all(store, clock):
    with store.main.session() as session:
        rows = [(int(T0 // 60), "ours", 7, 70.0), (int(T0 // 60), SUBSCRIPTION, None, 1.0)]
        write_lags(Bulk(session), rows, apart=["ours"])
    clock.time = T0 + 60
    for range in ("1h", "24h"):
        lags = [row["lag"] for row in charted(store).over(range)["rows"]]
        assert {"events": None, "seconds": 1.0} in lags
        assert not [lag for lag in lags if lag["seconds"] == 70.0]


def test_arrivals_count_the_same_however_long_the_steps_are(store, clock):
    times = (0, 59, 60, 600, 3600, 14_400, 20_000)
    store.archive.add([arrival(event(f"e{at}", at=at)) for at in times])
    store.archive.add([arrival(event("e60", at=60)), arrival(event("other", "mail.sent", at=60))])
    for minutes in (1, 10, 60, 120, 240, 1440):
        first = int(T0 // 60) // minutes * minutes * 60.0
        found = store.archive.arrivals(first, minutes * 60.0, ["order.placed"])
        wanted = Counter(first + (T0 + at - first) // (minutes * 60) * minutes * 60 for at in times)
        assert found == wanted
    assert sum(store.archive.arrivals(T0 // 3600 * 3600, 3600.0, topic="mail").values()) == 1


def test_ranges_and_names_are_checked(store):
    with pytest.raises(Refused, match="must be one of: 15m, 1h, 24h, 7d, 30d"):
        charted(store).over("2y", topic="order")
    with pytest.raises(Refused, match="Name one"):
        charted(store).over("1h", topic="order", worker="w")
    assert all(one.length / one.step <= 180 for one in RANGES.values())
