"""The other nouns of /api/v1 on the fake platform: shapes, actions, refusals."""

from __future__ import annotations

import io

import pytest

from tests.web.problems import assert_problem

LISTS = ("/events", "/topics", "/subscriptions", "/dead-letters", "/dead-letters/groups",
         "/replays", "/runs", "/models", "/datasets", "/projections", "/workers",
         "/schemas")  # fmt: skip


@pytest.mark.parametrize("path", LISTS)
def test_every_list_pages_through_everything_once(api, path: str) -> None:
    whole = api.get(path, query_string={"limit": 1000}).get_json()
    assert set(whole) == {"items", "next"}
    assert whole["items"]
    assert whole["next"] is None
    walked, cursor = [], None
    for _ in range(1000):
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = api.get(path, query_string=query).get_json()
        assert len(page["items"]) <= 3
        walked += page["items"]
        cursor = page["next"]
        if cursor is None or len(walked) > 60:
            break
    names = [_name(item) for item in walked]
    assert names == [_name(item) for item in whole["items"]][: len(names)]


def _name(item: dict) -> str:
    for field in ("correlationid", "id", "name", "type"):
        if field in item:
            return str((item[field], item.get("id")))
    raise AssertionError(item)


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("query", [
    "limit=0", "limit=1001", "limit=-1", "limit=ten", "limit=1e2", "limit=١", "limit=1&limit=2",
    "cursor=%00", "typ=order.placed",
])  # fmt: skip
def test_a_bad_page_or_an_unknown_parameter_is_400(api, path: str, query: str) -> None:
    assert_problem(api.get(f"{path}?{query}"), 400)


# What SQL pages, the store reads the cursors of: see test_api_real.
@pytest.mark.parametrize("path", ["/topics", "/subscriptions", "/workers", "/schemas"])
@pytest.mark.parametrize("cursor", ["nonsense", "ZnJvbTotMQ", "ZnJvbTrCsg", "é", "a" * 1000])
def test_a_cursor_that_was_not_given_out_is_400(api, path: str, cursor: str) -> None:
    assert_problem(api.get(path, query_string={"cursor": cursor}), 400, "cursor")


def test_the_default_limit_is_50(api) -> None:
    assert len(api.get("/events").get_json()["items"]) == 50


@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize("value", ["soon", "2026-13-01", "15w", "1e9", "-5", "nan"])
def test_a_bad_time_is_400_and_says_how_to_write_one(api, name: str, value: str) -> None:
    assert_problem(api.get("/runs", query_string={name: value}), 400, name, "2026-01-31")


@pytest.mark.parametrize("value", ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00+01:00",
                                   "2026-01-31", "1790000000", "1790000000.5", "15m"])  # fmt: skip
def test_times_are_written_in_several_ways(api, value: str) -> None:
    assert api.get("/runs", query_string={"since": value}).status_code == 200


def test_a_plus_sign_that_was_not_escaped_is_understood(api) -> None:
    assert api.get("/runs?since=2026-01-31T12:00:00+01:00").status_code == 200


def test_pause_resume_rewind_and_change_a_subscription(api, platform) -> None:
    path = "/subscriptions/shop.handlers.charge"
    paused = api.post(f"{path}/pause", json={"reason": "card provider is down"}).get_json()
    assert paused["state"] == "paused"
    assert paused["paused"]["by"] == "token:admin"
    assert paused["paused"]["reason"] == "card provider is down"
    assert_problem(api.post(f"{path}/pause"), 409, "paused already")
    assert api.post(f"{path}/resume").get_json()["paused"] is None
    assert api.post(f"{path}/rewind", json={"to": "earliest"}).status_code == 200
    changed = api("PATCH", path, json={"timeout": 5}).get_json()
    assert changed["timeout"] == 5
    assert_problem(api("PATCH", path, json={"types": ["x"]}), 422, "types")
    assert_problem(api("PATCH", path, json={}), 422)
    assert_problem(api.post(f"{path}/rewind", json={}), 422, "to")
    assert_problem(api.post("/subscriptions/nope/pause"), 404, "nope")
    assert [row["action"] for row in platform.audit.rows[:4]] == [
        "subscription.updated", "subscription.rewound", "subscription.resumed",
        "subscription.paused"]  # fmt: skip


def test_dead_letters_by_filter_and_group(api, platform) -> None:
    group = platform.data["groups"][0]
    page = api.get(f"/dead-letters?group={group['id']}&limit=1000").get_json()
    assert len(page["items"]) == group["count"]
    letter = page["items"][0]
    assert set(letter) >= {"id", "event", "subscription", "reason", "parked", "attempts", "group"}
    assert letter["attempts"][0]["error"].startswith("ConnectTimeout: ")
    assert api.get(f"/dead-letters/{letter['id']}").get_json()["id"] == letter["id"]
    by_name = api.get("/dead-letters?subscription=shop.handlers.reserve").get_json()["items"]
    assert {x["subscription"] for x in by_name} == {"shop.handlers.reserve"}
    assert_problem(api.get("/dead-letters/nope"), 404)


def test_discarded_letters_are_gone_from_the_list_and_kept(api, platform) -> None:
    group = platform.data["groups"][1]["id"]
    done = api.post("/dead-letters/discard", json={"group": group, "reason": "test orders"})
    assert done.get_json() == {"discarded": 7}
    assert api.get(f"/dead-letters?group={group}").get_json()["items"] == []
    kept = api.get(f"/dead-letters?group={group}&state=discarded").get_json()["items"]
    assert len(kept) == 7


def test_a_replay_is_previewed_started_watched_paused_and_cancelled(api, platform) -> None:
    ids = [x["id"] for x in platform.data["letters"][:3]]
    before = len(platform.data["replays"])
    preview = api.post("/replays?dry_run=1", json={"dead_letters": ids})
    assert preview.status_code == 200
    assert preview.get_json()["total"] == 3
    assert len(platform.data["replays"]) == before

    started = api.post("/replays", json={
        "dead_letters": ids, "canary": 1, "rate": 5, "stop_above": 0.5, "reason": "fixed",
        "edits": {"*": [{"op": "add", "path": "/data/currency", "value": "EUR"}]}})  # fmt: skip
    assert started.status_code == 202
    path = f"/replays/{started.get_json()['id']}"
    state = api.get(path).get_json()
    assert (state["state"], state["total"], state["pending"]) == ("canary", 3, 3)
    assert api.post(f"{path}/pause").get_json()["state"] == "paused"
    assert api.post(f"{path}/resume").get_json()["state"] == "running"
    assert api.post(f"{path}/cancel").get_json()["state"] == "cancelled"
    assert_problem(api.post(f"{path}/resume"), 409, "cancelled")
    assert_problem(api.get("/replays/nope"), 404)


def test_past_events_are_replayed_to_one_subscription(api, platform) -> None:
    events = {"type": "order.placed", "since": "1h"}
    body = {"events": events, "subscription": "shop.handlers.charge"}
    assert api.post("/replays", json=body).status_code == 202
    kept = platform.data["replays"][0]
    assert kept["selection"]["subscription"] == "shop.handlers.charge"
    assert kept["selection"]["events"]["since"].endswith("Z")
    assert "subscription" not in kept["options"]


@pytest.mark.parametrize("body", [
    {}, {"dead_letters": []}, {"dead_letters": [1]}, {"group": "g", "filter": {}},
    {"events": {"type": "order.placed"}}, {"filter": {"typ": "x"}}, {"dead_letters": ["nope"]},
    {"group": "g", "rate": 0}, {"group": "g", "stop_above": 2}, {"group": "g", "canary": -1},
    {"group": "g", "edits": {"*": [{"op": "eval", "path": "/"}]}}, {"group": "g", "delete": 1},
    {"group": 1}, [], "text",
])  # fmt: skip
@pytest.mark.parametrize("path", ["/replays", "/replays?dry_run=1", "/dead-letters/discard"])
def test_a_selection_that_says_nothing_clear_is_refused(api, platform, path: str, body) -> None:
    states = [x["state"] for x in platform.data["letters"]]
    answer = api.post(path, json=body)
    assert answer.status_code in (404, 422), answer.text
    assert [x["state"] for x in platform.data["letters"]] == states


def test_runs_have_the_contracts_shape(api, platform) -> None:
    page = api.get("/runs?state=succeeded&type=dataset.uploaded").get_json()
    head = page["items"][0]
    assert "steps" not in head
    run = api.get(f"/runs/{head['correlationid']}").get_json()
    assert set(run) >= {"correlationid", "state", "outcome", "started", "ended", "steps"}
    assert run["outcome"] == "deployment.finished"
    assert set(run["steps"][0]) >= {"event", "type", "subscription", "state", "attempts",
                                    "started", "ended", "causationid", "error"}  # fmt: skip
    assert_problem(api.get("/runs/nope"), 404)
    assert_problem(api.get("/runs?state=broken"), 400, "succeeded")


def test_models_predict_promote_and_roll_back(api) -> None:
    rows = [{"px_0_0": 1}, {"px_0_0": 2}]
    predicted = api.post("/models/digits/predict", json={"rows": rows}).get_json()
    assert (predicted["model"], predicted["version"]) == ("digits", 3)
    assert [set(p) for p in predicted["predictions"]] == [{"value", "probabilities"}] * 2
    promoted = api.post("/models/digits/versions/2/promote", json={"reason": "3 drifts"})
    assert promoted.get_json()["champion"] == 2
    assert api.post("/models/digits/rollback").get_json()["champion"] == 1
    assert_problem(api.post("/models/digits/rollback"), 409)
    assert_problem(api.post("/models/digits/versions/9/promote"), 404)
    assert_problem(api.post("/models/churn/predict", json={"rows": rows}), 409, "champion")
    assert_problem(api.post("/models/nope/predict", json={"rows": rows}), 404)


@pytest.mark.parametrize("body", [{}, {"rows": []}, {"rows": {}}, {"rows": [1]}, [], {"row": [{}]}])
def test_a_prediction_without_rows_is_refused(api, body) -> None:
    assert_problem(api.post("/models/digits/predict", json=body), 422)


def test_a_dataset_is_uploaded_with_its_options(api, platform) -> None:
    answer = api.post("/datasets", data={
        "file": (io.BytesIO(b"a,b\n1,2\n"), "t.csv"), "name": "t", "target": "b",
        "evaluation": (io.BytesIO(b"a,b\n3,4\n"), "e.csv"), "task": "regression",
        "header": "true"})  # fmt: skip
    assert answer.status_code == 202
    assert set(answer.get_json()) == {"dataset", "correlationid"}
    assert platform.datasets.uploads == [{
        "bytes": b"a,b\n1,2\n", "name": "t", "target": "b", "task": "regression", "header": True,
        "filename": "t.csv", "evaluation": b"a,b\n3,4\n", "actor": "token:admin"}]  # fmt: skip


@pytest.mark.parametrize("change", [
    {"file": None}, {"name": ""}, {"target": None}, {"task": "clustering"}, {"header": "maybe"},
    {"nmae": "x"},
])  # fmt: skip
def test_an_upload_that_lacks_something_says_what(api, platform, change) -> None:
    form = {"file": (io.BytesIO(b"a\n1\n"), "t.csv"), "name": "t", "target": "a"} | change
    answer = api.post("/datasets", content_type="multipart/form-data",
                      data={k: v for k, v in form.items() if v is not None})  # fmt: skip
    assert_problem(answer, 422, next(iter(change)))
    assert platform.datasets.uploads == []


def test_an_upload_that_is_no_form_is_415(api) -> None:
    assert_problem(api.post("/datasets", json={"name": "t"}), 415, "multipart")


def test_json_is_asked_for_by_its_content_type(api) -> None:
    answer = api.post("/replays", data=b"group=x", content_type="text/plain")
    assert_problem(answer, 415, "application/json")


def test_wrong_paths_and_methods_are_problems_too(api) -> None:
    assert_problem(api.get("/nothing"), 404, "/api/v1/nothing")
    answer = api("DELETE", "/runs")
    assert_problem(answer, 405, "GET")
    assert "GET" in answer.headers["Allow"]


def test_an_unforeseen_error_has_a_reference_and_no_traceback(api, platform, caplog) -> None:
    def broken(**filters):
        raise ZeroDivisionError("secret detail")

    platform.runs.find = broken
    problem = assert_problem(api.get("/runs"), 500, "reference")
    assert "secret" not in str(problem)
    assert problem["reference"] in caplog.text
    assert "secret detail" in caplog.text


def test_what_json_has_no_number_for_is_null(api, platform) -> None:
    platform.data["models"][0]["versions"][0]["metrics"]["auc"] = float("nan")
    metrics = api.get("/models/digits").get_json()["versions"][0]["metrics"]
    assert metrics["auc"] is None
