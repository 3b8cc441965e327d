"""Subscriptions, replays, dead letters, rollups and retention."""

from __future__ import annotations

from itertools import pairwise

import pytest
from sqlalchemy import text

from app.errors import Conflict, NotFound, Refused
from app.store import dead_letters, effects, retention
from app.store.alerts import AlertRow
from app.store.cases import CaseRow
from app.store.eventstore import snapshots
from app.store.eventstore.snapshots import Snapshot
from app.store.moments import iso
from tests.store.stories import SUBSCRIPTION, T0, arrival, declared, delivery, event, record

DAY = retention.DAY


def park(store, *names, by=SUBSCRIPTION, at=1.0, error="ValueError: no", group="0" * 16, **more):
    """Park an event of each name; the letters' ids in the names' order."""
    told = [
        delivery(event(name, **more), "parked", started=at, error=error, group=group)
        for name in names
    ]
    store.projection.apply_records([record(*told, by=by, at=at)])
    of_event = {x["event"]["id"]: x["id"] for x in store.dead_letters.find(limit=1000).items}
    return [of_event[name] for name in names]


# -- subscriptions


def test_what_an_operator_changed_survives_deploys(store):
    declare = store.subscriptions.declare
    assert declare([declared(), declared("shop.mail")]) == ["shop.charge", "shop.mail"]
    assert declare([declared()]) == []
    row = store.subscriptions.override(SUBSCRIPTION, "timeout", 20, "user:ada")
    assert (row["timeout"], row["changed"]) == (20, {"timeout": {"code": 60, "now": 20}})
    assert declare([declared(timeout=90, doc="Charges.")]) == [SUBSCRIPTION]
    row = store.subscriptions.get(SUBSCRIPTION)
    assert (row["timeout"], row["doc"]) == (20, "Charges.")
    assert row["changed"] == {"timeout": {"code": 90, "now": 20}}
    assert store.subscriptions.restore(SUBSCRIPTION, "timeout", "user:ada")["timeout"] == 90


def test_a_change_that_the_code_catches_up_with_is_none_any_more(store):
    store.subscriptions.declare([declared()])
    store.subscriptions.override(SUBSCRIPTION, "timeout", 20, "user:ada")
    store.subscriptions.declare([declared(timeout=20)])
    assert store.subscriptions.get(SUBSCRIPTION)["changed"] == {}
    store.subscriptions.update(SUBSCRIPTION, {"filter": {"exact": {"subject": "x"}}}, "user:ada")
    store.subscriptions.update(SUBSCRIPTION, {"filter": None}, "user:ada")
    assert store.subscriptions.get(SUBSCRIPTION)["changed"] == {}


def test_only_what_can_be_changed_is(store):
    store.subscriptions.declare([declared()])
    with pytest.raises(Refused, match="types is decided by the code"):
        store.subscriptions.override(SUBSCRIPTION, "types", ["x.y"], "user:ada")
    with pytest.raises(NotFound):
        store.subscriptions.override("nobody", "timeout", 1, "user:ada")


def test_pausing_says_who_when_and_why(store):
    store.subscriptions.declare([declared()])
    paused = store.subscriptions.pause(SUBSCRIPTION, "user:ada", "provider is down")["paused"]
    assert paused == {"by": "user:ada", "at": iso(T0), "reason": "provider is down"}
    with pytest.raises(Conflict, match="paused already, by user:ada"):
        store.subscriptions.pause(SUBSCRIPTION, "user:eve")
    store.subscriptions.declare([declared(timeout=1)])
    assert store.subscriptions.get(SUBSCRIPTION)["paused"] == paused
    assert store.subscriptions.resume(SUBSCRIPTION, "user:eve")["paused"] is None
    with pytest.raises(Conflict, match="not paused"):
        store.subscriptions.resume(SUBSCRIPTION, "user:eve")


def test_any_change_shows_in_the_revision(store):
    seen = [store.subscriptions.revision()]
    for act in (
        lambda: store.subscriptions.declare([declared()]),
        lambda: store.subscriptions.pause(SUBSCRIPTION, "me"),
        lambda: store.subscriptions.resume(SUBSCRIPTION, "me"),
        lambda: store.subscriptions.override(SUBSCRIPTION, "timeout", 1, "me"),
        lambda: store.subscriptions.retire([SUBSCRIPTION]),
        lambda: store.subscriptions.delete(SUBSCRIPTION),
    ):
        act()
        seen.append(store.subscriptions.revision())
    assert all(a != b for a, b in pairwise(seen))


def test_what_a_transaction_takes_back_was_never_there(store):
    store.subscriptions.declare([declared()])
    before = store.subscriptions.all()
    with store.main.together() as session:
        store.subscriptions.pause(SUBSCRIPTION, "me")
        assert store.subscriptions.all()[0]["paused"]
        session.rollback()
    assert store.subscriptions.all() == before
    before[0]["name"] = "changed by who asked"
    assert store.subscriptions.all()[0]["name"] == SUBSCRIPTION


def test_a_retired_subscription_comes_back_when_declared(store):
    store.subscriptions.declare([declared(), declared("b")])
    with pytest.raises(Conflict):
        store.subscriptions.delete(SUBSCRIPTION)
    assert store.subscriptions.retire([SUBSCRIPTION, "nobody"]) == [SUBSCRIPTION]
    assert [row["name"] for row in store.subscriptions.all(active_only=True)] == ["b"]
    assert [row["name"] for row in store.subscriptions.all()] == ["b", SUBSCRIPTION]
    assert store.subscriptions.declare([declared()]) == [SUBSCRIPTION]
    assert store.subscriptions.get(SUBSCRIPTION)["active"]


# -- replays


def start(store, letters, **options):
    items = [
        {
            "dead_letter": letter["id"],
            "event": letter["event"],
            "subscription": letter["subscription"],
        }
        for letter in store.dead_letters.many(letters)
    ]
    return store.replays.create(items, selection={"x": 1}, options=options, actor="user:ada")


def test_a_replay_goes_through_its_frozen_list_in_order(store):
    letters = park(store, *[f"e{n}" for n in range(5)])
    id = start(store, letters, reason="mended")
    park(store, "later")
    replay = store.replays.get(id)
    assert (replay["state"], replay["total"], replay["pending"]) == ("running", 5, 5)
    assert (replay["by"], replay["reason"]) == ("user:ada", "mended")
    first = store.replays.claim(id, 2)
    second = store.replays.claim(id, 10)
    assert [item["dead_letter"] for item in first + second] == letters
    assert store.replays.claim(id, 10) == []
    store.replays.sent(id, [item["number"] for item in first + second])
    assert store.replays.counts(id) == {
        "succeeded": 0, "failed": 0, "cancelled": 0, "pending": 5, "sent": 5,
    }  # fmt: skip
    told = [delivery(event(f"e{n}"), generation=7, started=9, replay=id) for n in range(4)]
    store.projection.apply_records([record(*told, at=10)])
    assert store.replays.get(id)["state"] == "running"
    again = delivery(event("e4"), "parked", generation=7, started=9, replay=id, error="E: x")
    store.projection.apply_records([record(again, at=11)])
    replay = store.replays.get(id)
    assert (replay["state"], replay["succeeded"], replay["failed"], replay["pending"]) == (
        "failed", 4, 1, 0,
    )  # fmt: skip
    assert replay["ended"]
    (failed,) = store.replays.items(id, state="failed").items
    assert (failed["event"], failed["error"]) == ("e4", "E: x")
    assert {x["event"]["id"] for x in store.dead_letters.find().items} == {"e4", "later"}


def test_what_a_dead_sender_held_is_claimed_again(store, clock):
    id = start(store, park(store, "a", "b"))
    (held,) = store.replays.claim(id, 1)
    (other,) = store.replays.claim(id, 5)
    store.replays.sent(id, [other["number"]])
    clock.time += 61
    assert store.replays.claim(id, 5) == [held]


def test_a_letter_is_in_one_replay_at_a_time(store):
    letters = park(store, "a", "b")
    start(store, letters)
    assert store.dead_letters.get(letters[0])["state"] == "replaying"
    with pytest.raises(Conflict, match="2 of the dead letters"):
        start(store, letters)
    assert len(store.replays.find().items) == 1
    assert store.dead_letters.discard(letters, "user:ada") == 0


def test_an_empty_replay_is_refused(store):
    with pytest.raises(Refused, match="nothing to replay"):
        start(store, [])
    assert store.replays.find().items == []


def test_a_cancelled_replay_gives_back_what_it_had_not_sent(store):
    letters = park(store, "a", "b", "c")
    id = start(store, letters)
    (item,) = store.replays.claim(id, 1)
    store.replays.sent(id, [item["number"]])
    assert store.replays.cancel(id)["state"] == "cancelled"
    assert [x["id"] for x in store.dead_letters.find().items] == sorted(letters[1:], reverse=True)
    assert store.replays.claim(id, 5) == []
    with pytest.raises(Conflict, match="is cancelled"):
        store.replays.pause(id)
    told = delivery(event("a"), generation=7, started=9, replay=id)
    store.projection.apply_records([record(told, at=10)])
    replay = store.replays.get(id)
    assert (replay["state"], replay["succeeded"], replay["cancelled"]) == ("cancelled", 1, 2)
    assert store.dead_letters.get(item["dead_letter"])["state"] == "replayed"


def test_a_paused_replay_sends_nothing_and_goes_on_as_it_was(store):
    id = start(store, park(store, "a", "b"), canary=1)
    assert store.replays.get(id)["state"] == "canary"
    store.replays.pause(id)
    assert store.replays.claim(id, 5) == []
    assert store.replays.open() == []
    assert store.replays.resume(id)["state"] == "canary"
    store.replays.pause(id, stopped="1 of 1 failed")
    assert store.replays.resume(id)["state"] == "running"
    assert [replay["id"] for replay in store.replays.open()] == [id]
    with pytest.raises(NotFound):
        store.replays.resume("nobody's")


def test_an_edited_event_stands_in_for_the_original(store):
    letters = park(store, "a")
    store.projection.apply_events([arrival(event("a"))])
    assert store.runs.get("a")["state"] == "failed"
    (letter,) = store.dead_letters.many(letters)
    for state, generation, run in (("parked", 7, "failed"), ("succeeded", 8, "succeeded")):
        child = event(f"a-edited-{generation}", cause=event("a"), at=5, data={"better": True})
        item = {
            "dead_letter": letter["id"], "event": child.to_dict(), "subscription": SUBSCRIPTION,
            "sent_id": child.id, "edited": True,
        }  # fmt: skip
        id = store.replays.create([item], selection={}, options={}, actor="me")
        (claimed,) = store.replays.claim(id, 1)
        assert claimed["whole"]["data"] == {"better": True}
        told = delivery(child, state, generation=generation, started=generation, replay=id)
        store.projection.apply_records([record(told, at=generation)])
        assert store.runs.get("a")["state"] == run
    (only,) = store.dead_letters.find(state=None).items
    assert (only["id"], only["state"], len(only["attempts"])) == (letter["id"], "replayed", 2)
    assert only["event"]["id"] == "a"
    assert store.runs.get("a")["steps"][0]["state"] == "succeeded"


def test_past_events_are_replayed_without_letters(store):
    given = event("a", data={"x": 1})
    item = {"event": given.to_dict(), "subscription": SUBSCRIPTION}
    id = store.replays.create([item], selection={}, options={}, actor="me")
    (claimed,) = store.replays.claim(id, 1)
    assert claimed["whole"] == given.to_dict()
    told = delivery(given, generation=7, started=9, replay=id)
    store.projection.apply_records([record(told, at=10)])
    assert store.replays.get(id)["state"] == "succeeded"


def test_replays_are_listed_newest_first(store, clock):
    ids = []
    for n in range(5):
        clock.time += 1
        ids.append(start(store, park(store, f"e{n}")))
    page = store.replays.find(limit=2)
    rest = store.replays.find(limit=5, cursor=page.next)
    assert [row["id"] for row in page.items + rest.items] == ids[::-1]
    items = store.replays.items(ids[0], state="pending")
    assert [item["event"] for item in items.items] == ["e0"]
    with pytest.raises(NotFound):
        store.replays.items("nobody's")


# -- dead letters


def test_dead_letters_are_found_by_what_people_know(store):
    (a,) = park(store, "a", type="order.placed", at=1, data={"card": "4711"})
    (b,) = park(store, "b", by="shop.mail", type="order.paid", at=2, group="1" * 16)
    for wanted, found in (
        ({}, [b, a]),
        ({"subscription": "shop.mail"}, [b]),
        ({"type": "order.placed"}, [a]),
        ({"group": "1" * 16}, [b]),
        ({"since": T0 + 2}, [b]),
        ({"until": iso(T0 + 2)}, [a]),
        ({"q": "4711"}, [a]),
        ({"q": "no such"}, []),
        ({"state": "discarded"}, []),
    ):
        assert [row["id"] for row in store.dead_letters.find(**wanted).items] == found, wanted
        assert store.dead_letters.count(**wanted) == len(found)
        assert store.dead_letters.ids(**wanted) == found[::-1]
    assert store.dead_letters.parked() == {"shop.charge": 1, "shop.mail": 1}


def test_dead_letters_come_in_pages(store):
    letters = park(store, *[f"e{n}" for n in range(7)])
    page = store.dead_letters.find(limit=4)
    rest = store.dead_letters.find(limit=4, cursor=page.next)
    assert sorted(row["id"] for row in page.items + rest.items) == sorted(letters)
    assert rest.next is None


def test_an_id_is_found_at_once_among_many(store, monkeypatch):
    letters = park(store, *[f"e{n}" for n in range(9)], type="order.paid")
    first = letters[0]
    event = store.dead_letters.get(first)["event"]["id"]
    monkeypatch.setattr(dead_letters, "SCAN", 2)
    monkeypatch.setattr(dead_letters, "SCAN_SECONDS", -1.0)
    for id, limit in ((first, 3), (event, 1)):
        pages = [store.dead_letters.find(q=id, limit=limit)]
        while pages[-1].next:
            pages.append(store.dead_letters.find(q=id, limit=limit, cursor=pages[-1].next))
        assert pages[0].items[0]["id"] == first
        assert [row["id"] for page in pages for row in page.items].count(first) == 1
        assert store.dead_letters.find(q=id, type="order.placed").items == []
    pages = [store.dead_letters.find(q="order.paid", limit=3)]
    while pages[-1].next:
        pages.append(store.dead_letters.find(q="order.paid", limit=3, cursor=pages[-1].next))
    assert sorted(row["id"] for page in pages for row in page.items) == sorted(letters)


def test_groups_say_how_many_and_when(store):
    for n in range(6):
        park(store, f"a{n}", at=n * 10, error="ConnectTimeout: no answer")
    park(store, "b", at=30, error="KeyError: 'x'", group="1" * 16)
    most, least = store.groups.find()
    assert (most["count"], most["title"], most["frame"], most["subscription"]) == (
        6, "ConnectTimeout: no answer", "shop.py:12 in charge", SUBSCRIPTION,
    )  # fmt: skip
    assert (most["first"], most["last"]) == (iso(T0 + 0.5), iso(T0 + 50.5))
    assert (len(most["bars"]), sum(most["bars"])) == (24, 6)
    assert (least["count"], sum(least["bars"]), least["first"]) == (1, 1, least["last"])
    assert [group["count"] for group in store.groups.find(q="KeyError")] == [1]
    assert store.groups.find(subscription="nobody") == []


def test_discarding_puts_away_what_is_parked(store):
    letters = park(store, "a", "b")
    assert store.dead_letters.discard([letters[0], "nobody's"], "user:ada", "spam") == 1
    put_away = store.dead_letters.get(letters[0])
    assert (put_away["state"], put_away["closed_by"], put_away["closed_reason"]) == (
        "discarded", "user:ada", "spam",
    )  # fmt: skip
    assert [row["id"] for row in store.dead_letters.find().items] == letters[1:]


# -- rollups


def test_rollups_count_each_record_once(store, clock):
    store.subscriptions.declare([declared(), declared("all", "*"), declared("none", "x.y")])
    store.archive.add([arrival(event("a")), arrival(event("b", at=70))])
    told = record(delivery(event("a")), delivery(event("b"), "retrying"), at=5)
    later = record(delivery(event("b"), attempt=2), at=65)
    store.projection.apply_records([told, told, later])
    store.projection.apply_records([later])
    clock.time = T0 + 130
    first, second, third = store.rollups.series(T0, 60, SUBSCRIPTION)
    assert (first["in"], first["done"], first["failed"], first["retried"], first["parked"]) == (
        1, 1, 1, 1, 0,
    )  # fmt: skip
    assert (first["waited"], first["waited_max"], first["worked"]) == (0.5, 0.75, 0.25)
    assert (second["in"], second["done"]) == (1, 1)
    assert (third["in"], third["done"]) == (0, 0)
    assert first["at"] == iso(T0)
    assert sum(row["done"] for row in store.rollups.series(T0, 60)) == 2
    (both,) = store.rollups.series(T0, 300)
    assert (both["in"], both["done"], both["failed"]) == (2, 2, 1)
    assert sum(row["in"] for row in store.rollups.series(T0, 60, "all")) == 2
    assert sum(row["in"] for row in store.rollups.series(T0, 60, "none")) == 0


# -- retention


def test_old_things_are_forgotten_and_open_ones_stay(store):
    old, now = -40 * DAY, T0
    store.subscriptions.declare([declared()])
    for name, at in (("old", old), ("open", old), ("new", -1)):
        root = event(name, at=at)
        store.archive.add([arrival(root)])
        store.projection.apply_events([arrival(root)])
        if name != "open":
            told = delivery(root, started=at + 1)
            store.projection.apply_records([record(told, at=at + 2)])
    put_away, parked = park(store, "x", "y", at=old)
    store.dead_letters.discard([put_away], "me")
    with store.main.session() as session:
        session.execute(text("UPDATE dead_letters SET closed = parked WHERE closed IS NOT NULL"))
        session.execute(text("UPDATE applied_records SET at = :at"), {"at": T0 + old})
        effects.add(session, "d1", [], T0 + old)
        effects.add(session, "d2", [], T0)
        for name, state, resolved in (
            ("a", "resolved", old),
            ("b", "resolved", 0),
            ("c", "raised", None),
        ):
            at = None if resolved is None else T0 + resolved
            session.add(AlertRow(id=name, state=state, rule="lag", measure="lag", target="t",
                                 severity="warning", above=1, worst=2, raised=T0 + old, resolved=at))  # fmt: skip
        for name, state in (("early", ""), ("over", "done"), ("open", "waiting")):
            for at in (T0 + old, T0):
                session.add(CaseRow(owner="join", key=f"{name} {at}", state=state, since=at, updated=at))  # fmt: skip
        for stream, code, taken in (
            ("a", "1", old),
            ("a", "2", old + 1),
            ("a", "3", 0),
            ("b", "1", old),
        ):
            snapshots.keep(session, stream, code, Snapshot(1, {}), T0 + taken)
    done = retention.prune(store.main, store.archive_database, now, rollups=30 * DAY)
    with store.main.read() as session:
        assert set(session.execute(text("SELECT id FROM alerts")).scalars()) == {"b", "c"}
        kept = session.execute(text("SELECT key FROM cases WHERE updated < :at"), {"at": T0})
        assert list(kept.scalars()) == [f"open {T0 + old}"]
        left = session.execute(text("SELECT stream, fingerprint FROM snapshots"))
        assert {tuple(row) for row in left} == {("a", "3"), ("b", "1")}
    assert (done["events"], done["dead_letters"], done["effects"]) == (2, 1, 1)
    assert store.runs.get("old") is None
    assert store.runs.get("open")["state"] == "running"
    assert store.runs.get("new")["state"] == "succeeded"
    assert store.archive.get("new")
    assert store.archive.get("old") is None
    assert store.dead_letters.get(put_away) is None
    assert store.dead_letters.get(parked)["state"] == "parked"
    assert retention.prune(store.main, store.archive_database, now)["events"] == 0
    with store.main.read() as session:
        left = session.execute(text("SELECT COUNT(*) FROM deliveries WHERE event_id = 'old'"))
        assert left.scalar() == 0


def test_much_is_forgotten_in_small_steps(sqlite_store, monkeypatch):
    monkeypatch.setattr(retention, "CHUNK", 10)
    store = sqlite_store
    store.archive.add([arrival(event(f"e{n}", at=-40 * DAY + n)) for n in range(35)])
    assert retention.prune(store.main, store.archive_database, T0)["events"] == 35
