"""Events and records become runs, deliveries and dead letters, in whatever order they come."""

from __future__ import annotations

import itertools
import random
import threading

import pytest
from sqlalchemy import text

from app.store.bulk import Bulk
from app.store.projection import derive
from tests.store.stories import (
    SUBSCRIPTION,
    T0,
    arrival,
    declared,
    delivery,
    emitted,
    event,
    record,
)


def apply_events(store, *events):
    arrivals = [arrival(each) for each in events]
    store.archive.add(arrivals)
    store.projection.apply_events(arrivals)


def steps(store, id):
    return {(s["type"], s["subscription"]): s["state"] for s in store.runs.get(id)["steps"]}


def test_an_event_that_nobody_consumes_is_a_finished_run_of_one_step(store):
    apply_events(store, event("a"))
    run = store.runs.get("a")
    assert (run["state"], run["outcome"], run["ended"] is not None) == (
        "succeeded", "order.placed", True,
    )  # fmt: skip
    assert [(s["event"], s["subscription"], s["state"]) for s in run["steps"]] == [
        ("a", None, "succeeded")
    ]


def test_a_run_goes_on_until_every_subscription_has_settled(store):
    store.subscriptions.declare([declared(), declared("shop.mail")])
    root = event("a")
    apply_events(store, root)
    assert store.runs.get("a")["state"] == "running"
    store.projection.apply_records([record(delivery(root))])
    assert steps(store, "a") == {
        ("order.placed", "shop.charge"): "succeeded",
        ("order.placed", "shop.mail"): "waiting",
    }
    assert store.runs.get("a")["state"] == "running"
    store.projection.apply_records([record(delivery(root), by="shop.mail")])
    assert store.runs.get("a")["state"] == "succeeded"


def test_a_run_goes_on_while_something_it_emitted_has_not_arrived(store):
    store.subscriptions.declare([declared()])
    root = event("a")
    child = emitted(root, "payment.captured", 2)
    apply_events(store, root)
    store.projection.apply_records([record(delivery(root, emits=[child]))])
    assert store.runs.get("a")["state"] == "running"
    apply_events(store, child)
    run = store.runs.get("a")
    assert (run["state"], run["outcome"], run["events"]) == ("succeeded", "payment.captured", 2)
    assert run["steps"][1]["causationid"] == "a"


def test_a_record_that_comes_before_its_event_leaves_the_run_open(store):
    store.subscriptions.declare([declared(), declared("shop.mail")])
    root = event("a")
    store.projection.apply_records([record(delivery(root))])
    assert store.runs.get("a")["state"] == "running"
    apply_events(store, root)
    assert steps(store, "a")[("order.placed", "shop.mail")] == "waiting"


def test_an_emitted_event_of_a_packed_type_does_not_hold_its_run_open(store):
    store.schemas.save("score.made", 1, "score", {}, "packed")
    store.subscriptions.declare([declared()])
    for number, order in enumerate(itertools.permutations(("archive", "record", "event"))):
        if order.index("event") < order.index("archive"):
            continue  # the archive comes first, always
        root = event(f"root-{number}")
        child = emitted(root, "score.made", 2)
        apply_events(store, root)
        for what in order:
            if what == "archive":
                store.archive.add([arrival(child)])
            elif what == "event":
                store.projection.apply_events([arrival(child)])
            else:
                store.projection.apply_records([record(delivery(root, emits=[child]))])
        run = store.runs.get(root.id)
        assert run["state"] == "succeeded", order
        assert [step["type"] for step in run["steps"]] == ["order.placed", "score.made"]


def test_a_packed_type_has_rows_only_for_what_its_records_tell(store):
    store.schemas.save("order.placed", 1, "order", {}, "packed")
    store.subscriptions.declare([declared()])
    fine, bad = event("fine"), event("bad")
    apply_events(store, fine, bad)
    assert store.runs.find().items == []
    store.projection.apply_records([record(delivery(bad, "parked"), tracking="packed")])
    assert [run["correlationid"] for run in store.runs.find().items] == ["bad"]
    assert store.runs.get("bad")["state"] == "failed"


def test_the_system_and_those_who_want_everything_are_not_waited_for(store):
    store.subscriptions.declare(
        [
            declared("all", "*"),
            declared("own", lane="system"),
            declared("old"),
            declared("other", "x.y"),
        ]
    )
    store.subscriptions.retire(["old"])
    apply_events(store, event("a"))
    assert steps(store, "a") == {("order.placed", None): "succeeded"}


def test_a_filter_decides_whether_an_event_is_waited_for(store):
    wanted = {"exact": {"data.country": "CH"}}
    store.subscriptions.declare([declared(filter=wanted)])
    apply_events(store, event("a", data={"country": "CH"}), event("b", data={"country": "NL"}))
    assert store.runs.get("a")["state"] == "running"
    assert store.runs.get("b")["state"] == "succeeded"


def test_a_changed_filter_forgets_what_will_not_come(store):
    store.subscriptions.declare([declared()])
    apply_events(store, event("a", data={"country": "CH"}), event("b", data={"country": "NL"}))
    store.subscriptions.override(SUBSCRIPTION, "filter", {"exact": {"data.country": "CH"}}, "me")
    assert store.projection.refilter(SUBSCRIPTION) == 1
    assert store.runs.get("a")["state"] == "running"
    assert store.runs.get("b")["state"] == "succeeded"


def test_a_subscription_from_now_on_is_not_waited_for_by_earlier_events(store, clock):
    clock.time = T0 + 10
    store.subscriptions.declare([declared(start="now")])
    apply_events(store, event("before", at=9), event("after", at=11))
    assert store.runs.get("before")["state"] == "succeeded"
    assert store.runs.get("after")["state"] == "running"


def test_what_waits_for_a_retired_subscription_can_be_cancelled(store):
    store.subscriptions.declare([declared()])
    apply_events(store, event("a"), event("b", at=5))
    assert store.projection.cancel_waiting(SUBSCRIPTION, before=T0 + 1) == 1
    assert store.runs.get("a")["state"] == "cancelled"
    assert store.runs.get("b")["state"] == "running"
    # Should it be handled after all, what happened counts.
    store.projection.apply_records([record(delivery(event("a")))])
    assert store.runs.get("a")["state"] == "succeeded"


def test_attempts_are_kept_and_the_last_counts(store):
    store.subscriptions.declare([declared()])
    root = event("a")
    apply_events(store, root)
    store.projection.apply_records([record(delivery(root, "retrying", started=1))])
    run = store.runs.get("a")
    assert (run["state"], run["steps"][0]["state"]) == ("running", "retrying")
    assert run["steps"][0]["due"] and run["steps"][0]["error"] == "ValueError: no such card"
    store.projection.apply_records([record(delivery(root, attempt=2, started=12), at=13)])
    step = store.runs.get("a")["steps"][0]
    assert (step["state"], step["attempts"], step["error"], step["due"]) == (
        "succeeded", 2, None, None,
    )  # fmt: skip
    assert [(a["attempt"], a["state"]) for a in step["history"]] == [
        (1, "retrying"),
        (2, "succeeded"),
    ]
    assert step["started"] == step["history"][0]["started"]


def test_a_late_retry_does_not_undo_a_settled_delivery(store):
    root = event("a")
    apply_events(store, root)
    store.projection.apply_records([record(delivery(root, attempt=2, started=12), at=13)])
    store.projection.apply_records([record(delivery(root, "retrying", started=1))])
    assert store.runs.get("a")["steps"][0]["state"] == "succeeded"


def test_a_parked_delivery_fails_the_run_and_its_replay_mends_it(store):
    store.subscriptions.declare([declared()])
    root = event("a", data={"card": 7})
    apply_events(store, root)
    store.projection.apply_records([record(delivery(root, "parked", attempt=3))])
    assert store.runs.get("a")["state"] == "failed"
    (letter,) = store.dead_letters.find().items
    assert letter["event"] == root.to_dict()
    assert (letter["reason"], letter["subscription"]) == ("exhausted", SUBSCRIPTION)
    assert [attempt["error"] for attempt in letter["attempts"]] == ["ValueError: no such card"] * 3
    again = delivery(root, generation=1, started=20, replay="r1")
    store.projection.apply_records([record(again, at=21)])
    assert store.runs.get("a")["state"] == "succeeded"
    assert store.dead_letters.find().items == []
    assert store.dead_letters.get(letter["id"])["state"] == "replayed"


def test_failing_again_parks_the_same_letter_with_all_its_attempts(store):
    root = event("a")
    first = record(delivery(root, "parked", attempt=2))
    again = record(
        delivery(
            root,
            "parked",
            generation=1,
            started=30,
            error="KeyError: 'x'",
            group="f" * 16,
            replay="r1",
        ),
        at=31,
    )
    for order in ([first, again], [again, first]):
        with store.main.session() as session:
            for table in ("dead_letters", "deliveries", "applied_records", "delivery_attempts"):
                session.execute(text(f"DELETE FROM {table}"))
        for each in order:
            store.projection.apply_records([each])
        (letter,) = store.dead_letters.find().items
        assert [a["error"] for a in letter["attempts"]] == [
            *["ValueError: no such card"] * 2,
            "KeyError: 'x'",
        ]
        assert (letter["group"], letter["generation"]) == ("f" * 16, 1)


def test_an_old_record_that_comes_again_does_not_undo_a_persons_hand(store):
    parked = record(delivery(event("a"), "parked"))
    store.projection.apply_records([parked])
    (letter,) = store.dead_letters.find().items
    assert store.dead_letters.discard([letter["id"]], "user:admin", "spam") == 1
    store.projection.apply_records([parked])
    # The same delivery told by another record: a worker died after its settle's reply was lost.
    store.projection.apply_records([record(delivery(event("a"), "parked"))])
    assert store.dead_letters.get(letter["id"])["state"] == "discarded"


def test_a_success_that_is_told_before_the_parking_it_mended(store):
    root = event("a")
    store.projection.apply_records([record(delivery(root, generation=1, replay="r1", started=20))])
    store.projection.apply_records([record(delivery(root, "parked"))])
    assert store.dead_letters.find().items == []
    (letter,) = store.dead_letters.find(state="replayed").items
    assert (letter["generation"], letter["closed_by"]) == (1, "replay:r1")


def test_an_event_that_cannot_be_read_is_a_failed_run_and_a_dead_letter(store):
    told = delivery(event("1790000000000-0", "unreadable"), "parked")
    told["event"] = {"id": "1790000000000-0", "source": "/streams/x", "type": "unreadable"}
    told["letter"]["event"] = {**told["event"], "data_base64": "AA=="}
    store.projection.apply_records([record(told)])
    assert store.runs.get("1790000000000-0")["state"] == "failed"
    assert store.dead_letters.find().items[0]["event"]["data_base64"] == "AA=="


def test_records_may_be_given_as_plain_data(store):
    told = record(delivery(event("a"))).data
    store.projection.apply_records([told])
    store.projection.apply_records([dict(told)])
    assert sum(row["done"] for row in store.rollups.series(T0 - 60)) == 1


def test_hostile_texts_are_kept_on_both_databases(store):
    nasty = "nul\0 half\ud800 <script> ' \" \\ %"
    root = event("a" * 5000, subject="s" * 3000 + "\0", data={"text": nasty.replace("\ud800", "")})
    apply_events(store, root)
    told = delivery(root, "parked", error=nasty)
    told["letter"]["event"]["data"] = {"text": "nul\0"}
    store.projection.apply_records([record(told).data])
    (letter,) = store.dead_letters.find().items
    assert "<script>" in letter["title"]
    assert letter["event"]["data"] == {"text": "nul\0"}
    assert store.runs.get("a" * 5000)["state"] == "failed"
    assert store.archive.get("a" * 5000)["event"]["id"] == "a" * 5000


TABLES = (
    "runs", "run_events", "deliveries", "delivery_attempts", "dead_letters", "rollups",
    "announced_events",
)  # fmt: skip


def history():
    """A pipeline's run with a retry, a parking, a replay that fails and one that succeeds."""
    root, other = event("root"), event("other", at=0.5)
    one = emitted(root, "payment.captured", 3)
    two = emitted(root, "payment.booked", 3.001, index=1)
    last = emitted(one, "notice.sent", 5, by="shop.mail")
    events = [[root], [one, two], [other], [last]]
    told = [
        [delivery(root, "retrying", started=1)],
        [delivery(root, attempt=2, started=2, emits=[one, two]), delivery(other, started=2.1)],
        [delivery(root, started=2.5), delivery(other, "retrying", started=1.1)],
        [delivery(one, "parked", attempt=2, started=3.5)],
        [delivery(one, "parked", generation=1, started=3.9, replay="r1", error="KeyError: 1")],
        [delivery(one, generation=2, started=4, emits=[last], replay="r2")],
    ]
    names = [SUBSCRIPTION, SUBSCRIPTION, "shop.stock", *["shop.mail"] * 3]
    ats = [1, 2, 2, 4, 4.5, 5]
    records = [
        record(*each, by=name, at=at, id=f"record-{number}")
        for number, (each, name, at) in enumerate(zip(told, names, ats, strict=True))
    ]
    return events, records


def snapshot(store):
    with store.main.read() as session:
        found = {}
        for table in TABLES:
            rows = session.execute(text(f"SELECT * FROM {table}")).mappings().all()
            ignored = ("closed_by", "closed", "replay") if table == "dead_letters" else ()
            found[table] = sorted(
                str([(k, v) for k, v in row.items() if k not in ignored]) for row in rows
            )
        return found


def empty(store):
    with store.main.session() as session:
        for table in (*TABLES, "applied_records"):
            session.execute(text(f"DELETE FROM {table}"))


@pytest.mark.parametrize("seed", range(12))
def test_any_order_and_any_repetition_give_the_same_rows(store, seed):
    store.subscriptions.declare(
        [declared(), declared("shop.stock"), declared("shop.mail", "payment.captured")]
    )
    events, records = history()
    for each in events:
        apply_events(store, *each)
    store.projection.apply_records(records)
    expected = snapshot(store)
    assert len(expected["runs"]) == 2
    assert expected["announced_events"] == []
    shuffle = random.Random(seed)
    work = [*events, *records, *shuffle.sample([*events, *records], 5)]
    shuffle.shuffle(work)
    empty(store)
    for each in work:
        if isinstance(each, list):
            apply_events(store, *each)
        else:
            store.projection.apply_records([each])
    assert snapshot(store) == expected


def test_two_appliers_at_once_leave_no_finished_run_open(store):
    names = [f"shop.s{number}" for number in range(4)]
    store.subscriptions.declare([declared(name) for name in names])
    roots = [event(f"e{number:03}", at=number / 1000) for number in range(60)]
    problems = []

    def work(name):
        try:
            for root in roots:
                store.projection.apply_records([record(delivery(root), by=name)])
        except Exception as error:
            problems.append(error)

    apply_events(store, *roots)
    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert store.runs.find(state="running").items == []
    assert len(store.runs.find(state="succeeded", limit=100).items) == 60


def test_a_large_batch_is_applied_at_once(store):
    store.subscriptions.declare([declared()])
    roots = [event(f"e{number:05}", at=number / 1000) for number in range(6000)]
    apply_events(store, *roots)
    store.projection.apply_records([record(*map(delivery, roots))])
    page = store.runs.find(state="succeeded", limit=6000)
    assert len(page.items) == 6000
    assert page.next is None


def test_working_out_a_run_reads_no_table_whole(store) -> None:
    with store.main.read() as session:
        bulk = Bulk(session)
        bulk.by_index()
        sql = derive._DERIVE.format(elements=bulk.elements("id"))
        how = "EXPLAIN" if bulk.on_postgres else "EXPLAIN QUERY PLAN"
        plan = [row[-1].strip() for row in bulk.rows(f"{how} {sql}", bulk.listed(["a"]))]
    whole = ("SCAN e ", "SCAN d ", "SCAN a ", "Seq Scan on deliveries", "Seq Scan on run_events")
    assert not [step for step in plan if any(one in f"{step} " for one in whole)]
    assert [step for step in plan if "deliveries_by_run" in step]
