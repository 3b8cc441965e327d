"""A run's page at an earlier moment: what was then, a way back to now, and nothing to press."""

from __future__ import annotations

from tests.web.problems import assert_problem


def test_it_shows_the_run_as_it_was(browser_of, platform) -> None:
    run = next(r for r in platform.data["runs"] if r["state"] == "failed")
    path = f"/runs/{run['correlationid']}"
    browser = browser_of("operator")
    now = browser.get(path).text
    assert 'type="range" name="moment"' in now and "See it as it is now" not in now
    first = browser.get(f"{path}?moment=1").text
    assert "See it as it is now" in first and "?moment=2" in first
    assert "/rerun" in now and "/rerun" not in first and "/replays/new" not in first
    assert browser.get(f"{path}?at={run['started']}").status_code == 200
    for wrong in ("moment=0", "moment=x", "moment=9999", "at=never", "at=2001-01-01"):
        answer = browser.get(f"{path}?{wrong}")
        assert answer.status_code == 422 and 'role="alert"' in answer.text, wrong


def test_the_api_tells_it_too(api, platform) -> None:
    run = next(r for r in platform.data["runs"] if r["state"] == "succeeded")
    told = api.get(f"/runs/{run['correlationid']}?at={run['started']}").get_json()
    assert told["state"] == "running" and told["as_of"]
    assert len(told["steps"]) < len(run["steps"])
    assert_problem(api.get(f"/runs/{run['correlationid']}?at=2001-01-01T00:00:00Z"), 422)
