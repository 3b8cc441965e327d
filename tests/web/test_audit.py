"""The audit log, looked into and exported."""

from __future__ import annotations

import csv
import io
import json

import pytest

from app import origin
from app.store.audit_export import lines
from web.places import of_target


def row(**over):
    return {"id": 1, "at": "2026-01-31T12:00:00Z", "actor": "user:ada", "action": "a.b",
            "target": "t", "before": None, "after": None, "details": {}, "interface": "api",
            "address": "10.0.0.1", "cause": "r-1"} | over  # fmt: skip


@pytest.mark.parametrize(
    "text", ["=1+1", "+1+1", "-1-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1"]
)
def test_no_cell_is_a_formula(text: str) -> None:
    written = "".join(lines([row(target=text, actor=text)], "csv"))
    cells = list(csv.reader(io.StringIO(written, newline="")))[1]
    assert cells[4] == cells[2] == f"'{text}"


def test_json_lines_hold_values_as_they_are() -> None:
    found = list(lines([row(target="=1+1", before={"a": 1}, after=["\n", "ü"])], "jsonl"))
    assert len(found) == 1
    assert json.loads(found[0])["after"] == ["\n", "ü"]
    assert json.loads(found[0])["target"] == "=1+1"


def test_an_export_has_what_the_filters_match(api, platform, browser_of) -> None:
    platform.audit.record("user:ada", "x.changed", "=cmd", before={"a": 1}, after={"a": 2})
    answer = api.get("/audit/export?actor=user:ada&format=csv")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [r["target"] for r in rows] == ["'=cmd"]
    assert json.loads(rows[0]["after"]) == {"a": 2}
    page = browser_of("admin").get("/audit/export/jsonl?actor=user:ada")
    assert "attachment" in page.headers["Content-Disposition"]
    assert json.loads(page.text)["action"] == "x.changed"
    assert api.get("/audit/export?format=xls").status_code == 400


def test_only_administrators_look_into_it(api_as, browser_of) -> None:
    for scope in ("read", "operate", "publish"):
        assert api_as(scope).get("/audit").status_code == 403
        assert api_as(scope).get("/audit/export").status_code == 403
    assert browser_of("operator").get("/audit/export/csv").status_code == 403


def test_a_line_leads_to_what_it_is_about(browser_of, platform) -> None:
    platform.audit.record("user:ann", "projection.paused", "projection:sales")
    platform.audit.record(
        "user:ann", "command.item.sell", "item.sell", {"crate:1": {"n": 1}}, {"crate:1": {"n": 2}},
        command="cmd-1", position=1042, streams={"crate:1": 7},
    )  # fmt: skip
    page = browser_of("admin").get("/audit").text
    for address in ("/projections/sales", "/commands/given/cmd-1", "/positions/1042",
                    "/aggregates/crate%3A1?version=7"):  # fmt: skip
        assert f'href="{address}"' in page


def test_what_was_done_at_one_request_leads_together_and_what_was_done_alone_does_not(
    browser_of, platform
) -> None:
    page = browser_of("admin").get("/audit").text
    assert "user.signed-in" in page and "same request" not in page
    with origin.of(origin.Origin("console", "10.0.0.1", "r-7")):
        platform.audit.record("user:ann", "alert.muted", "alert-rule:late")
        platform.audit.record("user:ann", "alert.muted", "alert-rule:parked")
    page = browser_of("admin").get("/audit").text
    assert page.count("same request") == page.count("cause=r-7") == 2


@pytest.mark.parametrize(
    ("action", "target", "place"),
    [
        ("dataset.uploaded", "digits", "/datasets/digits"),
        ("failure-group.ignored", "group:ab", "/failures?group=ab"),
        ("aggregate.asked", "aggregate:crate:1", "/aggregates/crate%3A1"),
        ("user.signed-in", "admin", None),
        ("command.model", "model", None),
        ("projection.paused", "projection:", None),
    ],
)
def test_the_page_of_a_target(action: str, target: str, place: str | None) -> None:
    assert of_target(action, target) == place


def test_a_line_says_what_differs_before_it_shows_all(browser_of, platform) -> None:
    was = {"state": "<b>running", "position": 9, "gone": 1, "in": {"a": 1}}
    now = {"state": "paused", "position": 9, "new": True, "in": {"a": 2}}
    platform.audit.record("user:ann", "x.changed", "x", was, now)
    page = browser_of("admin").get("/audit?action=x.changed").text
    for said in ("state: &#34;&lt;b&gt;running&#34; → &#34;paused&#34;", "gone: 1 → nothing",
                 "new: nothing → true", "in/<wbr>a: 1 → 2"):  # fmt: skip
        assert said in page
    assert "position: " not in page
    platform.audit.record("user:ann", "y.changed", "y", None, {"only": "after"})
    assert "nothing → {" in browser_of("admin").get("/audit?action=y.changed").text
