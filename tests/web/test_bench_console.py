"""The console's benchmark asks every page there is, and open consoles leave room for the API."""

from __future__ import annotations

import pytest

from app.bench import console
from app.bench.console_story import Sizes
from app.errors import Refused

SECONDS = 5.0
"""A console asks again 1.1 to 1.8 s after a change, and later where the machine is busy."""
SIZES = Sizes(events=3000, letters=300, runs=40, days=1)


def test_every_page_answers_over_a_full_database_and_consoles_do_not_starve_the_api(
    tmp_path,
) -> None:
    told: list[str] = []

    def measured(*parts: str):
        return console.run(["sqlite"], SIZES, 1, 12, SECONDS, told.append, parts, tmp_path)[
            "sqlite"
        ]

    with pytest.raises(Refused, match="fill it first"):
        measured("pages")
    assert measured("fill")["rows"]["events"] == 3000
    with pytest.raises(Refused, match="holds something already"):
        measured("fill")

    result = measured("pages", "consoles")
    assert result["pages"] == len(result["each"]) > 70
    assert not result["pages with more bytes than the goal"]
    beside = result["open consoles"]
    assert beside["opened"] == beside["still open at the end"] == 12
    assert beside["changes heard by each, least"] >= 1
    assert beside["refreshes of pages"] >= 1
    assert len(beside["POST events"]["beside, p50 and p95 (ms)"]) == 2


def test_a_part_alone_needs_a_folder_that_stays() -> None:
    with pytest.raises(Refused, match="--keep"):
        console.run(["sqlite"], SIZES, 1, 1, 1, print, ("fill",))
