"""POST, GET and stream of /api/v1/events on the fake platform."""

from __future__ import annotations

import json
import threading
from urllib.parse import quote

import pytest

from app.errors import EventTooLarge, Unavailable
from app.events.event import Event
from tests.web.problems import assert_problem

EVENT = {"specversion": "1.0", "id": "1", "source": "test", "type": "thing.happened",
         "data": {"n": 1}}  # fmt: skip
STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"


def test_a_structured_event_is_accepted_once(api, platform) -> None:
    first = api.post("/events", data=json.dumps(EVENT), content_type=STRUCTURED)
    assert first.status_code == 202
    assert first.get_json() == {"accepted": 1, "duplicates": 0, "ids": ["1"]}
    again = api.post("/events", data=json.dumps(EVENT), content_type=STRUCTURED)
    assert again.status_code == 202
    assert again.get_json() == {"accepted": 0, "duplicates": 1, "ids": ["1"]}
    assert len(platform.publisher.published) == 1


def test_a_batch_keeps_its_order(api) -> None:
    batch = [{**EVENT, "id": str(n)} for n in (3, 1, 2, 1)]
    answer = api.post("/events", data=json.dumps(batch), content_type=BATCHED)
    assert answer.get_json() == {"accepted": 3, "duplicates": 1, "ids": ["3", "1", "2", "1"]}


def test_plain_json_is_taken_too(api) -> None:
    assert api.post("/events", json={"type": "thing.happened", "data": 1}).status_code == 202


def test_a_binary_event_has_its_attributes_in_headers(api, platform) -> None:
    headers = {"ce-id": "b1", "ce-type": "thing.happened", "ce-source": "s",
               "ce-specversion": "1.0", "ce-partitionkey": "caf%C3%A9"}  # fmt: skip
    answer = api.post("/events", data=b'{"x": 1}', content_type="application/json", headers=headers)
    assert answer.status_code == 202, answer.text
    event = platform.publisher.published[0]
    assert (event["id"], event["data"], event["partitionkey"]) == ("b1", {"x": 1}, "café")


def test_one_bad_event_refuses_the_batch_and_every_bad_one_is_named(api, platform) -> None:
    batch = [EVENT, {"type": "order.placed", "id": "o1", "data": {}}, {**EVENT, "id": "2"},
             {"type": "order.placed", "id": "o2", "data": {}}]  # fmt: skip
    problem = assert_problem(api.post("/events", json=batch), 422, "order.placed")
    assert [(p["index"], p["id"], p["field"]) for p in problem["problems"]] == [
        (1, "o1", "data.amount"), (3, "o2", "data.amount")]  # fmt: skip
    assert platform.publisher.published == []


@pytest.mark.parametrize("body", [
    b"{", b"", b"nonsense", b'{"a": NaN}', b'"\xff"', b"[" * 100_000, b'{"data": 1e999}',
])  # fmt: skip
def test_what_is_no_json_is_400(api, body: bytes) -> None:
    assert_problem(api.post("/events", data=body, content_type=STRUCTURED), 400)


@pytest.mark.parametrize("body", [b"1", b'"text"', b"[1, 2]", b"null", b'{"id": "no type"}'])
def test_json_that_is_no_event_is_refused_and_named(api, body: bytes) -> None:
    problem = assert_problem(api.post("/events", data=body, content_type="application/json"), 422)
    assert problem["problems"][0]["problem"]


def test_an_empty_batch_is_400(api) -> None:
    assert_problem(api.post("/events", data=b"[]", content_type=BATCHED), 400, "empty")


def test_an_unknown_content_type_says_what_to_send(api) -> None:
    answer = api.post("/events", data=b"a=1", content_type="text/csv")
    assert answer.status_code in (400, 415)
    assert "cloudevents+json" in answer.get_json()["detail"]


def test_what_the_platform_cant_take_has_its_status(api, platform, monkeypatch) -> None:
    def refuse(error: Exception):
        def publish(events, *, durable=False):
            raise error

        return publish

    monkeypatch.setattr(platform.publisher, "publish", refuse(EventTooLarge("it has 2 MiB of 1")))
    assert_problem(api.post("/events", json=EVENT), 413, "2 MiB")
    monkeypatch.setattr(platform.publisher, "publish", refuse(Unavailable("Redis is full. Wait.")))
    answer = api.post("/events", json=EVENT)
    assert_problem(answer, 503, "full")
    assert int(answer.headers["Retry-After"]) > 0


def test_search_filters_and_pages_without_gaps(api, platform) -> None:
    wanted = [e["id"] for e in platform.data["events"] if e["type"] == "payment.captured"]
    found, cursor, pages = [], "", 0
    while cursor is not None:
        page = api.get(f"/events?type=payment.captured&limit=7&cursor={cursor}").get_json()
        found += [event["id"] for event in page["items"]]
        cursor, pages = page["next"], pages + 1
    assert found == wanted
    assert pages == -(-len(wanted) // 7)


def test_search_by_each_filter(api, platform) -> None:
    event = next(e for e in platform.data["events"] if e["type"] == "order.placed")
    for name in ("subject", "partitionkey", "correlationid"):
        page = api.get("/events", query_string={name: event[name], "limit": 1000}).get_json()
        assert page["items"]
        assert all(item[name] == event[name] for item in page["items"])
    assert api.get("/events?q=ORD-&limit=1").get_json()["items"]
    assert api.get("/events?until=1970-01-02T00:00:00Z").get_json() == {"items": [], "next": None}
    assert api.get("/events?since=0").get_json()["items"]
    assert len(api.get("/events?since=1m&limit=1000").get_json()["items"]) < len(
        platform.data["events"])  # fmt: skip


def test_one_event_and_where_it_is(api, platform) -> None:
    event = platform.data["events"][0]
    found = api.get(f"/events/{event['id']}").get_json()
    assert found["event"]["id"] == event["id"]
    assert found["topic"] == event["type"].split(".")[0]
    assert_problem(api.get("/events/nope"), 404, "nope")


@pytest.mark.parametrize("id", ["https://shop.example/orders/1", "a/b", "50%", "ü 1", "a+b"])
def test_an_event_is_found_by_any_id_that_a_producer_chose(api, id: str) -> None:
    assert api.post("/events", json={**EVENT, "id": id}).status_code == 202
    assert api.get(f"/events/{quote(id, safe='')}").get_json()["event"]["id"] == id


def test_the_stream_sends_events_with_an_id_to_go_on_from(api, platform) -> None:
    stream = api.get("/events/stream?since=0", buffered=False)
    assert stream.content_type.startswith("text/event-stream")
    chunks = stream.iter_encoded()
    assert next(chunks).startswith(b"retry:")
    oldest = list(reversed(platform.data["events"]))
    messages = [next(chunks).decode() for _ in range(3)]
    stream.close()
    ids, events = zip(*map(_parsed, messages), strict=True)
    assert [e["id"] for e in events] == [e["id"] for e in oldest[:3]]

    resumed = api.get("/events/stream", headers={"Last-Event-ID": ids[1]})
    chunks = resumed.iter_encoded()
    next(chunks)
    assert _parsed(next(chunks).decode())[1]["id"] == oldest[2]["id"]
    resumed.close()


def test_the_stream_sends_only_the_types_asked_for(api, platform) -> None:
    stream = api.get("/events/stream?type=thing.happened,other.thing")
    chunks = stream.iter_encoded()
    next(chunks)
    received: list[dict] = []
    reader = threading.Thread(target=lambda: received.append(_parsed(next(chunks).decode())[1]))
    reader.start()
    while not platform.topics._followers and reader.is_alive():
        threading.Event().wait(0.01)
    platform.publisher.publish([Event(type="else.happened"), Event(type="thing.happened", id="x")])
    reader.join(timeout=10)
    stream.close()
    assert [event["id"] for event in received] == ["x"]


@pytest.mark.parametrize("since", ["yesterday", "-1", "0 OR 1", "1-2-3", "9" * 40])
def test_a_bad_start_of_the_stream_is_400(api, since: str) -> None:
    assert_problem(api.get("/events/stream", query_string={"since": since}), 400, "since")


def test_streams_are_bounded_and_their_places_come_back(api, monkeypatch) -> None:
    from web import sse

    monkeypatch.setattr(sse, "_open", threading.BoundedSemaphore(2))
    open_ones = [api.get("/events/stream") for _ in range(2)]
    assert_problem(api.get("/events/stream"), 503, "streams")
    for stream in open_ones:
        stream.close()
        stream.close()  # a server may close twice
    third = api.get("/events/stream")
    assert third.status_code == 200
    third.close()


def test_a_stream_ends_cleanly_when_the_process_stops(api, monkeypatch) -> None:
    from web import sse

    monkeypatch.setattr(sse, "_stopping", lambda: True)
    stream = api.get("/events/stream")
    body = b"".join(stream.iter_encoded())
    stream.close()
    assert body.startswith(b"retry:")


def test_a_silent_stream_sends_heartbeats(api, monkeypatch) -> None:
    from web import sse

    monkeypatch.setattr(sse, "HEARTBEAT", 0.0)
    stream = api.get("/events/stream")
    chunks = stream.iter_encoded()
    next(chunks)
    assert next(chunks) == b": still here\n\n"
    stream.close()


def _parsed(message: str) -> tuple[str, dict]:
    lines = dict(line.split(": ", 1) for line in message.strip().split("\n"))
    assert lines["event"] == "event"
    return lines["id"], json.loads(lines["data"])


def test_a_wrong_expression_is_refused_before_anything_is_sent(api, browser_of) -> None:
    assert_problem(api.get("/events/stream?expression=data.n+>"), 422, "can't be read")
    page = browser_of("viewer").get("/tail?expression=data.n+%3E").text
    assert "can&#39;t be read" in page and 'value="data.n &gt;"' in page
