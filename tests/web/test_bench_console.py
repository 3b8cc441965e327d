"""The console's benchmark asks every page there is, and open consoles leave room for the API."""

from __future__ import annotations

from app.bench import console
from app.bench.console_story import Sizes


def test_every_page_answers_over_a_full_database_and_consoles_do_not_starve_the_api() -> None:
    told: list[str] = []
    sizes = Sizes(events=3000, letters=300, runs=40, days=1)
    result = console.run(["sqlite"], sizes, 1, 12, 1.5, told.append)["sqlite"]

    assert result["pages"] == len(result["each"]) > 70
    assert not result["pages with more bytes than the goal"]
    beside = result["open consoles"]
    assert beside["opened"] == beside["still open at the end"] == 12
    assert beside["changes heard by each, least"] >= 1
    assert beside["refreshes of pages"] >= 1
    assert len(beside["POST events"]["beside, p50 and p95 (ms)"]) == 2
