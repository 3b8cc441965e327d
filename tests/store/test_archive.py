"""Every event is kept once, found by what people know of it, and given back as it was."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from pydantic import BaseModel

from app.errors import Refused
from app.events.arrival import Arrival
from app.events.event import Event
from app.store import archive_search as module
from app.store.moments import iso
from app.store.page import BadCursor
from tests.store.stories import T0, arrival, event


def add(store, *events):
    return store.archive.add([arrival(each) for each in events])


def ids(page):
    return [each["id"] for each in page.items]


def test_an_event_comes_back_as_it_was(store):
    given = event(
        "a",
        data={"text": "Ünï \0 🦆", "n": 1.5, "list": [None, True]},
        subject="s",
        partitionkey="k",
        traceparent="00-1-2-03",
        dataschema="urn:penstock:order.placed:1",
        extensions={"tenant": "acme", "retries": 3},
        expirytime=datetime(2030, 1, 1, tzinfo=UTC),
    )
    assert add(store, given) == 1
    found = store.archive.get("a")
    assert found["event"] == given.to_dict()
    assert Event.from_dict(found["event"]) == given
    assert (found["topic"], found["partition"], found["position"]) == (
        "order",
        0,
        "1790000100000-0",
    )
    assert found["archived"] == iso(T0)
    assert store.archive.get("b") is None


def test_an_object_of_a_schema_is_kept_as_its_json(store):
    class Order(BaseModel):
        amount: float

    add(store, event("a", data=Order(amount=2)), event("b", data_base64="AAEC"), event("c"))
    assert store.archive.get("a")["event"]["data"] == {"amount": 2.0}
    assert store.archive.get("b")["event"]["data_base64"] == "AAEC"
    assert "data" not in store.archive.get("c")["event"]


HARD = '{"id": "x", "text": "\\",\\"id\\":\\"a\\"", "list": [1.0, 2, null, "\\u00dc\\ud83e\\udd86\\u0000"]}'


FORMS = (
    '{"type":"order.placed","data":DATA,"id":"a","source":"/s","time":"2026-01-31T12:00:00Z"}',
    '{"id":"a","data":DATA,"source":"/s","type":"order.placed","time":"2026-01-31T12:00:00Z"}',
    '{ "type": "order.placed", "data": DATA, "id": "a", "time": "2026-01-31T12:00:00+01:00" }',
    '{"type":"order.placed","data":DATA,"id":"b","id":"a","data":[2],"time":"2026-01-31T12:00:00Z"}',
)


def test_an_event_comes_back_whoever_wrote_the_bytes_in_its_topic(store):
    written = [
        form.replace("DATA", data).encode()
        for form in FORMS
        for data in (HARD, "null", "0", '""', "[]", '{"n":1e5}')
    ]
    written += [Event.from_bytes(stored).to_bytes() for stored in written]
    events = [
        Event.from_bytes(stored.replace(b'"a"', b'"a%d"' % n)) for n, stored in enumerate(written)
    ]
    stored = [each.replace(b'"a"', b'"a%d"' % n) for n, each in enumerate(written)]
    arrivals = [
        Arrival(event, "order", 0, f"1790000100000-{n}", stored[n])
        for n, event in enumerate(events)
    ]
    assert store.archive.add(arrivals) == len(written) == 48
    kept = {each.event.id: each.event for each in store.archive.iterate()}
    assert kept == {event.id: event for event in events}
    assert store.archive.get("a0")["event"] == events[0].to_dict()


def test_adding_again_changes_nothing(store):
    events = [event(f"e{n}", at=n) for n in range(10)]
    assert add(store, *events) == 10
    assert add(store, *events[5:], event("new", at=20), event("new", at=20)) == 1
    assert store.archive.count() == 11
    assert sum(n for _, n in store.archive.counts(T0 - 60)) == 11
    assert store.archive.add([]) == 0


def test_the_same_id_from_two_sources_is_two_events(store):
    assert add(store, event("a", source="one"), event("a", source="two")) == 2
    assert store.archive.get("a", "one")["event"]["source"] == "one"
    assert store.archive.get("a")["event"]["source"] == "two"


def test_many_writers_at_once_keep_each_event_once(store):
    events = [event(f"e{n:04}", at=n) for n in range(300)]
    added, problems = [], []

    def work(start):
        try:
            for first in range(start, 300, 30):
                added.append(add(store, *events[first : first + 60]))
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(start,)) for start in (0, 10, 20, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert sum(added) == store.archive.count() == 300


@pytest.fixture
def shop(store):
    add(
        store,
        event("a", "order.placed", 0, data={"country": "CH"}, subject="s1", partitionkey="k1"),
        event("b", "order.paid", 60, data={"country": "NL"}, subject="s1", partitionkey="k2"),
        event("c", "stock.reserved", 120, data={"note": '50% "off"_\\'}, correlationid="a"),
        event("d", "order.placed", 180, data="ÜBER", subject="s2", partitionkey="k1"),
    )
    return store


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, "dcba"),
        ({"type": "order.placed"}, "da"),
        ({"type": "order.*"}, "dba"),
        ({"type": "*"}, "dcba"),
        ({"subject": "s1"}, "ba"),
        ({"partitionkey": "k1"}, "da"),
        ({"correlationid": "a"}, "ca"),
        ({"topic": "order"}, "dba"),
        ({"source": "shop", "topic": "stock"}, "c"),
        ({"since": T0 + 60, "until": iso(T0 + 180)}, "cb"),
        ({"q": "nl"}, "b"),
        ({"q": "50%"}, "c"),
        ({"q": '"off"_\\'}, "c"),
        ({"q": "%"}, "c"),
        ({"q": "S1"}, "ba"),
        ({"q": "k2"}, "b"),
        ({"q": "RESERVED"}, "c"),
        ({"q": "country"}, "ba"),
        ({"q": "datacontenttype"}, ""),
        ({"q": "über", "type": "order.paid"}, ""),
        ({"q": "ÜBER"}, "d"),
        ({"type": "", "q": "", "subject": None}, "dcba"),
        ({"type": "no' OR '1'='1"}, ""),
    ],
)
def test_events_are_found_by_what_people_know(shop, wanted, found):
    assert "".join(ids(shop.archive.find(**wanted))) == found


def test_pages_go_on_where_the_last_ended_whatever_arrives_meanwhile(store):
    add(store, *(event(f"e{n}", at=n // 3) for n in range(10)))
    page = store.archive.find(limit=4)
    add(store, event("later", at=99))
    rest = store.archive.find(limit=4, cursor=page.next)
    last = store.archive.find(limit=4, cursor=rest.next)
    assert ids(page) + ids(rest) + ids(last) == [f"e{n}" for n in range(9, -1, -1)]
    assert last.next is None
    with pytest.raises(BadCursor):
        store.archive.find(cursor="nonsense")


def test_a_search_stops_for_breath_and_can_go_on(store, monkeypatch):
    monkeypatch.setattr("app.store.archive_statements.SCAN", 4)
    monkeypatch.setattr(module, "SCAN_SECONDS", -1)
    add(store, *(event(f"e{n}", at=n, data={"even": n % 2 == 0}) for n in range(18)))
    found, cursor, pages = [], None, 0
    while True:
        page = store.archive.find(q='"even":true', limit=3, cursor=cursor)
        found += ids(page)
        cursor, pages = page.next, pages + 1
        if cursor is None:
            break
    assert found == [f"e{n}" for n in range(16, -1, -2)]
    assert pages >= 4


def test_a_search_with_time_finds_all_at_once(store, monkeypatch):
    monkeypatch.setattr("app.store.archive_statements.SCAN", 4)
    add(store, *(event(f"e{n}", at=n, data={"even": n % 2 == 0}) for n in range(18)))
    page = store.archive.find(q='"even":true', limit=50)
    assert len(page.items) == 9
    assert page.next is None
    page = store.archive.find(q='"even":true', limit=5)
    rest = store.archive.find(q='"even":true', limit=5, cursor=page.next)
    assert ids(page) + ids(rest) == [f"e{n}" for n in range(16, -1, -2)]


def test_selecting_goes_oldest_first_page_by_page(shop):
    page = shop.archive.select({"type": "order.*"}, limit=2)
    assert [each.event.id for each in page.items] == ["a", "b"]
    assert [
        each.event.id for each in shop.archive.select({"type": "order.*"}, page.next, 2).items
    ] == ["d"]
    assert [a.event.id for a in shop.archive.iterate({"q": "s1"}, limit=1)] == ["a", "b"]
    assert shop.archive.count({"type": "order.*"}) == 3


def test_a_topic_is_selected_in_its_own_order(store):
    late = event("late", at=5)
    arrivals = [
        arrival(event("b", at=10), number=1),
        arrival(event("a", at=10), number=0),
        arrival(late.but(recordedtime=event("x", at=20).recordedtime)),
        arrival(event("p1", at=1), partition=1),
        arrival(event("other", "stock.x", 0)),
    ]
    store.archive.add(arrivals)
    found = list(store.archive.iterate({"topic": "order"}, limit=2))
    assert [each.event.id for each in found] == ["a", "b", "late", "p1"]
    assert found[0] == arrivals[1]
    of_partition = {"topic": "order", "partition": 0, "position": "1790000110000-1"}
    assert [each.event.id for each in store.archive.iterate(of_partition)] == ["b", "late"]


def test_a_filter_that_is_not_known_is_refused(store):
    with pytest.raises(Refused, match="colour"):
        store.archive.select({"colour": "red"})


def test_counts_are_by_step_with_zeros_between(store, clock):
    add(store, event("a", at=0), event("b", at=59), event("c", "stock.x", 130))
    clock.time = T0 + 200
    start = T0
    assert [n for _, n in store.archive.counts(start, 60)] == [2, 0, 1, 0]
    assert [n for _, n in store.archive.counts(start, 60, type="stock.x")] == [0, 0, 1, 0]
    assert [n for _, n in store.archive.counts(start, 60, topic="order")] == [2, 0, 0, 0]
    assert [n for _, n in store.archive.counts(start, 300)] == [3]
    assert store.archive.counts(start, 60)[0][0] == iso(start)


def test_types_by_id(shop):
    assert shop.archive.types_of(["a", "c", "zzz"]) == {"a": "order.placed", "c": "stock.reserved"}
    assert shop.archive.types_of([]) == {}


def test_the_newest_says_how_far_the_archive_is(store, clock):
    assert store.archive.newest() is None
    clock.time = T0 + 7
    add(store, event("a"))
    assert store.archive.newest() == T0 + 7


def test_a_search_by_expression_ends_soon_and_goes_on_where_it_stopped(store, monkeypatch):
    monkeypatch.setattr(module, "JUDGED", 4)
    monkeypatch.setattr(module, "SCAN_SECONDS", -1.0)  # each page looks at one event
    add(store, *(event(f"{n:02}", at=n, data={"n": n} if n % 3 else {"m": n}) for n in range(12)))
    for limit in (1, 2, 50):
        found, pages, cursor = [], 0, None
        while pages == 0 or cursor:
            page = store.archive.find(expression="data.n > 4", limit=limit, cursor=cursor)
            found, pages, cursor = found + ids(page), pages + 1, page.next
        assert found == ["11", "10", "08", "07", "05"]
        assert pages >= 10
    monkeypatch.setattr(module, "SCAN_SECONDS", 60.0)
    for limit, pages in ((2, 3), (5, 1), (50, 1)):
        page = store.archive.find(expression="event.data.n > 4", limit=limit)
        found = ids(page)
        for _ in range(pages - 1):
            page = store.archive.find(expression="data.n > 4", limit=limit, cursor=page.next)
            found += ids(page)
        assert (found, page.next) == (["11", "10", "08", "07", "05"], None)
    both = store.archive.find(expression="data.n > 4", q="1", until=iso(T0 + 11))
    assert ids(both) == ["10"]
    assert ids(store.archive.find(expression="event.subject == 'x'")) == []


def test_an_expression_that_never_can_say_is_refused(store):
    add(store, event("a", data={"n": 1}), event("b", data={"n": "one"}), event("c"))
    assert ids(store.archive.find(expression="data.n > 0")) == ["a"]
    assert ids(store.archive.find(expression="data.missing > 0")) == []
    with pytest.raises(Refused, match="fails on 2 events"):
        store.archive.find(expression="data.n > true")
    for wrong in ("data.n >", "n > 1", "data.n.begins(1)"):
        with pytest.raises(Refused):
            store.archive.find(expression=wrong)
    as_seen = store.archive.find(expression="data.n > 0", seen=lambda each: each.but(data={"n": 5}))
    assert sorted(ids(as_seen)) == ["a", "b", "c"]
