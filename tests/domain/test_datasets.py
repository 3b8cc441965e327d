"""Uploads: kept with their event, numbered once, listed."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlmodel import select

from app.domain.tables import DatasetRow, DatasetVersionRow
from app.errors import NotFound, Refused, Unavailable
from app.events.event import Event
from app.ml.validation import validate
from tests.domain.conftest import World
from tests.ml.tables import two_classes

TABLE = two_classes(50)


def test_an_upload_is_kept_audited_announced_and_published(world: World) -> None:
    answer = world.datasets.upload(
        io.BytesIO(TABLE), "stays", "stays", filename="C:\\data\\stays.csv", actor="user:ann"
    )
    (event,) = world.heard.events
    found = world.datasets.get("stays")
    (version,) = found["versions"]

    assert answer == {"dataset": "stays", "correlationid": event.id}
    assert (event.type, event.partitionkey, event.subject) == ("dataset.uploaded", "stays", "stays")
    assert world.blobs.read(event.data.file) == TABLE
    assert (found["state"], version["version"], version["by"]) == ("uploaded", 1, "user:ann")
    assert (version["filename"], version["size"]) == ("stays.csv", len(TABLE))
    assert version["correlationid"] == event.id
    assert world.audit.find().items[0]["action"] == "dataset.uploaded"
    assert world.heard.announced == ["datasets"]


def test_an_upload_that_cannot_be_published_leaves_nothing_behind(world: World) -> None:
    world.heard.broken = True

    with pytest.raises(Unavailable):
        world.datasets.upload(TABLE, "stays", "stays", actor="cli")

    with pytest.raises(NotFound):
        world.datasets.get("stays")
    assert world.audit.find().items == []
    assert world.heard.announced == []


@pytest.mark.parametrize(
    ("name", "target", "task", "words"),
    [
        ("", "y", None, "can't be a dataset's name"),
        ("../etc", "y", None, "can't be a dataset's name"),
        ("a b", "y", None, "can't be a dataset's name"),
        ("x" * 65, "y", None, "can't be a dataset's name"),
        ("a\n", "y", None, "can't be a dataset's name"),
        ("fine", "  ", None, "target is missing"),
        ("fine", "y", "clustering", "no task"),
    ],
)
def test_wrong_parameters_are_refused_in_words(
    world: World, name: str, target: str, task: str | None, words: str
) -> None:
    with pytest.raises(Refused, match=words):
        world.datasets.upload(TABLE, name, target, task=task, actor="cli")
    assert world.heard.events == []


def test_the_second_upload_is_the_second_version(world: World) -> None:
    for _ in range(2):
        world.datasets.upload(TABLE, "stays", "stays", actor="cli")

    versions = world.datasets.get("stays")["versions"]
    assert [one["version"] for one in versions] == [2, 1]
    assert versions[0]["sha256"] == versions[1]["sha256"]


def test_uploads_at_the_same_time_get_numbers_of_their_own(world: World) -> None:
    def upload(_: int) -> None:
        world.datasets.upload(TABLE, "stays", "stays", actor="cli")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(upload, range(16)))

    versions = [one["version"] for one in world.datasets.get("stays")["versions"]]
    assert versions == list(range(16, 0, -1))


def test_an_upload_is_recorded_once_whoever_comes_first(world: World) -> None:
    """A handler may be quicker than the upload's own commit, or handle it twice."""
    world.datasets.upload(TABLE, "stays", "stays", actor="cli")
    (event,) = world.heard.events
    report = validate(io.BytesIO(TABLE), "stays")

    for _ in range(2):
        with world.database.session() as session:
            assert world.datasets.record_judgement(session, event, report, None) == 1
    published = Event(type="dataset.uploaded", data=event.data, partitionkey="stays")
    with world.database.session() as session:
        assert world.datasets.record_judgement(session, published, report, None) == 2

    found = world.datasets.get("stays")
    assert [one["state"] for one in found["versions"]] == ["validated", "validated"]
    assert found["versions"][0]["report"]["rows"] == 50


def test_a_verdict_that_is_rolled_back_is_neither_kept_nor_announced(world: World) -> None:
    world.datasets.upload(TABLE, "stays", "stays", actor="cli")
    world.heard.announced.clear()
    report = validate(io.BytesIO(TABLE), "stays")

    with pytest.raises(RuntimeError), world.database.session() as session:  # noqa: PT012
        world.datasets.record_judgement(session, world.heard.events[0], report, None)
        raise RuntimeError

    assert world.datasets.get("stays")["state"] == "uploaded"
    assert world.heard.announced == []


def test_datasets_are_listed_in_pages_the_last_changed_first(world: World) -> None:
    names = [f"set-{i}" for i in range(5)]
    for name in names:
        world.datasets.upload(TABLE, name, "stays", actor="cli")
    world.datasets.upload(TABLE, "set-2", "stays", actor="cli")

    seen, cursor = [], None
    while True:
        page = world.datasets.find(limit=2, cursor=cursor)
        seen += [one["name"] for one in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert seen == ["set-2", "set-4", "set-3", "set-1", "set-0"]


def test_hostile_texts_stay_texts(world: World) -> None:
    nasty = "a'; DROP TABLE datasets; --\x00\ud800<script>"
    world.datasets.upload(TABLE, "stays", nasty[:40], filename=nasty, actor=nasty)

    with world.database.read() as session:
        assert session.exec(select(DatasetRow)).one().name == "stays"
        assert "<script>" in session.exec(select(DatasetVersionRow)).one().filename
