"""Rollups as charts read them: percentiles from merged histograms, coarser with age, lags."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from app.errors import Refused
from app.store.bulk import Bulk
from app.store.charted import RANGES, Charted
from app.store.folding import fold, write_lags
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


def test_old_rollups_are_folded_and_charts_stay_the_same(store, clock):
    store.subscriptions.declare([declared()])
    for minute in range(25):
        settle(store, minute * 60, 0.5)
    with store.main.session() as session:
        write_lags(Bulk(session), [(int(T0 // 60) + n, SUBSCRIPTION, n, 2.0 * n) for n in range(9)])

    def rows():
        with store.main.read() as session:
            return session.execute(text("SELECT COUNT(*) FROM rollups")).scalar()

    clock.time = T0 + 3 * 86_400
    before = charted(store).over("7d", subscription=SUBSCRIPTION)
    assert rows() == 25
    with store.main.session() as session:
        assert fold(session, clock.time) > 0
    assert rows() == 3
    assert charted(store).over("7d", subscription=SUBSCRIPTION) == before
    clock.time = T0 + 9 * 86_400
    wide = charted(store).over("30d", subscription=SUBSCRIPTION)
    with store.main.session() as session:
        fold(session, clock.time)
    assert rows() == 1
    assert charted(store).over("30d", subscription=SUBSCRIPTION) == wide
    assert max(row["lag"]["events"] or 0 for row in wide["rows"]) == 8
    with store.main.session() as session:
        assert fold(session, clock.time) == 0


def test_ranges_and_names_are_checked(store):
    with pytest.raises(Refused, match="must be one of: 15m, 1h, 24h, 7d, 30d"):
        charted(store).over("2y", topic="order")
    with pytest.raises(Refused, match="Name one"):
        charted(store).over("1h", topic="order", worker="w")
    assert all(one.length / one.step <= 180 for one in RANGES.values())
