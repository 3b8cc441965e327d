"""What an attacker would try at the door."""

from __future__ import annotations

import io
import json

import pytest

from tests.web.problems import assert_problem
from web.auth import guard


def test_every_answer_carries_the_strict_headers(api, anonymous) -> None:
    answers = [api.get("/runs"), api.get("/nothing"), anonymous.get("/sign-in"),
               anonymous.get("/healthz"), anonymous.get("/nothing"),
               anonymous.get("/static/nothing.css"), anonymous.get("/api/v1/runs")]  # fmt: skip
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert answer.headers["Cache-Control"] in ("no-store", "no-cache")


class Endless(io.RawIOBase):
    """A body without end, that knows how much of it was read."""

    def __init__(self) -> None:
        self.taken = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        self.taken += len(buffer)
        buffer[:] = b" " * len(buffer)
        return len(buffer)


@pytest.mark.parametrize(("path", "media"), [
    ("/replays", "application/json"), ("/events", "application/json"),
    ("/datasets", "multipart/form-data; boundary=x"),
    ("/subscriptions/shop.handlers.charge/pause", "application/json"),
])  # fmt: skip
def test_a_body_that_says_it_is_too_large_is_not_read(api, path: str, media: str) -> None:
    body = Endless()
    said = {"CONTENT_LENGTH": str(10 * 1024**4), "CONTENT_TYPE": media}
    answer = api.post(path, environ_overrides={**said, "wsgi.input": body})
    assert_problem(answer, 413)
    assert body.taken == 0


def test_a_body_that_says_no_length_is_bounded_too(api) -> None:
    body = Endless()
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    said = {**chunked, "CONTENT_LENGTH": "", "CONTENT_TYPE": "application/json"}
    answer = api.post("/replays", environ_overrides={**said, "wsgi.input": body})
    assert_problem(answer, 413)
    assert body.taken <= guard.USUAL_BODY + 1024 * 1024


def test_only_who_may_upload_may_send_much(api_as, app) -> None:
    form = {"file": (io.BytesIO(b"x" * (guard.USUAL_BODY + 1)), "t.csv"), "name": "t",
            "target": "a"}  # fmt: skip
    answer = api_as("read").post("/datasets", data=form)
    assert answer.status_code in (403, 413)


def test_an_upload_larger_than_memory_wants_is_spooled(api, platform) -> None:
    size = guard.USUAL_BODY + 1024
    form = {"file": (io.BytesIO(b"x" * size), "t.csv"), "name": "t", "target": "a"}
    kept = []
    platform.datasets.upload = lambda file, *a, **k: (
        kept.append((hasattr(file, "_rolled") and file._rolled, len(file.read())))
        or {"dataset": "t", "correlationid": "c"})  # fmt: skip
    assert api.post("/datasets", data=form).status_code == 202
    assert kept == [(True, size)]


@pytest.mark.parametrize("body", [
    b'{"rows": [{"a": NaN}]}', b'{"rows": [{"a": Infinity}]}', b"[" * 200_000,
    b'{"rows":' * 5000 + b"1" + b"}" * 5000, b'{"rows": "\xff\xfe"}', b'{"rows": [1]', b"\x00",
    b'{"rows": [{"a": ' + b"9" * 10_000 + b"}]}", b"\xff\xfe{\x00}\x00",
    b'{"rows": [{"a": 1e999}]}',
    b'{"rows": [{"a": "\\ud800"}]}', b"{'rows': []}", b'{"rows": [{}]} extra',
])  # fmt: skip
def test_hostile_json_is_400(api, body: bytes) -> None:
    answer = api.post("/models/digits/predict", data=body, content_type="application/json")
    assert_problem(answer, 400)


def test_json_nested_deeper_than_anybody_needs_is_400(api) -> None:
    body = b'{"rows": [{"a": ' + b"[" * 100 + b"]" * 100 + b"}]}"
    answer = api.post("/models/digits/predict", data=body, content_type="application/json")
    assert_problem(answer, 400, "nested")


def test_a_duplicate_name_counts_once(api, platform) -> None:
    body = b'{"group": "a", "group": "' + platform.data["groups"][0]["id"].encode() + b'"}'
    answer = api.post("/replays?dry_run=1", data=body, content_type="application/json")
    assert answer.get_json()["total"] == platform.data["groups"][0]["count"]


@pytest.mark.parametrize("path", [
    "/static/../__init__.py", "/static/%2e%2e/__init__.py", "/static/..%2f..%2fconfig/settings.py",
    "/static//etc/passwd", "/static/....//....//etc/passwd", "/static/%00", "/static/",
    "/static/..\\__init__.py", "/../etc/passwd", "/.git/config", "/.penstock/secret",
])  # fmt: skip
def test_no_path_leads_out_of_the_static_folder(anonymous, path: str) -> None:
    answer = anonymous.get(path)
    assert answer.status_code in (302, 308, 400, 404), (path, answer.status_code)
    assert b"import" not in answer.data
    assert b"root:" not in answer.data


@pytest.mark.parametrize("name", [
    "..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "a%00b", "%ff", "<script>alert(1)</script>",
    "' OR 1=1 --", "x" * 5000, "مرحبا", "🦆", "%0d%0aX-Injected:%201",
])  # fmt: skip
@pytest.mark.parametrize("path", ["runs", "models", "datasets", "dead-letters", "replays",
                                  "subscriptions", "events", "schemas"])  # fmt: skip
def test_strange_names_are_just_not_found(api, path: str, name: str) -> None:
    answer = api.get(f"/{path}/{name}")
    assert answer.status_code in (308, 400, 404), answer.text
    assert "X-Injected" not in answer.headers
    assert not answer.content_type.startswith("text/html") or answer.status_code == 308


def test_an_errors_words_are_json_and_never_markup(api) -> None:
    answer = api.get("/models/<img src=x onerror=alert(1)>")
    problem = assert_problem(answer, 404)
    assert "<img" in problem["detail"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("id", [
    "x", "=", "a=1", "redis:key=0-0\r\nX: 1", "penstock=0-0,", "=1-1", "a=1-1,b", "a" * 9000,
    "a=99999999999999999999-1",
])  # fmt: skip
def test_a_made_up_last_event_id_starts_from_now(api, id: str) -> None:
    from web.api.events import read_positions

    assert read_positions(id) == {}


def test_filters_are_values_and_never_patterns(api, platform) -> None:
    for query in ("%", "_", "' OR '1'='1", "*", "\\", '"'):
        found = api.get("/events", query_string={"type": query}).get_json()["items"]
        assert found == [], query


def test_metrics_are_open_to_this_machine_only(app, api, anonymous) -> None:
    assert anonymous.get("/metrics").status_code == 200
    for headers in ({"X-Forwarded-For": "127.0.0.1"}, {"X-Real-IP": "::1"},
                    {"Forwarded": "for=127.0.0.1"}):  # fmt: skip
        assert_problem(anonymous.get("/metrics", headers=headers), 401)
    away = {"REMOTE_ADDR": "203.0.113.9"}
    assert_problem(anonymous.get("/metrics", environ_overrides=away), 401)
    known = anonymous.get("/metrics", headers=api.headers, environ_overrides=away)
    assert known.status_code == 200
    assert b"penstock_workers" in known.data


def test_a_form_with_thousands_of_fields_is_refused(anonymous) -> None:
    data = "&".join(f"f{n}=1" for n in range(100_000))
    answer = anonymous.post("/sign-in", data=data * 5,
                            content_type="application/x-www-form-urlencoded")  # fmt: skip
    assert answer.status_code in (400, 413)


def test_events_with_hostile_values_come_back_as_they_were(api, platform) -> None:
    data = {"text": "<script>alert(1)</script>\u2028\u0000", "__proto__": {"x": 1}}
    event = {"id": "h1", "source": "s", "type": "thing.happened", "data": data}
    assert api.post("/events", json=event).status_code == 202
    answer = api.get("/events/h1")
    assert json.loads(answer.data)["event"]["data"] == data
    assert answer.content_type == "application/json"
