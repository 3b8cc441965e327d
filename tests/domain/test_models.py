"""Versions, the champion's swap, promotion by hand, and predictions."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlmodel import Session

from app.domain.check import Check
from app.errors import Conflict, NotFound, Refused, Unavailable
from app.ml.artefact import Model
from app.store import outbox
from app.subscriptions import model_in_use
from app.subscriptions.failure import describe
from tests.domain.conftest import World, evaluated

ROW = {"age": 75, "city": "Oslo"}


@pytest.fixture
def trusting(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The check itself has tests of its own: here it passes at once."""
    monkeypatch.setattr("app.domain.model_steps.check_model", lambda *_: Check(10, None))
    return world


def test_a_run_registers_an_artefact_once(world: World, stays: Model, other: Model) -> None:
    assert world.register(stays, "run-1") == 1
    assert world.register(stays, "run-1") == 1
    assert world.register(stays, "run-2") == 2
    assert world.register(other, "run-2") == 3

    versions = world.models.get("stays")["versions"]
    assert [(one["version"], one["state"]) for one in versions] == [
        (3, "candidate"),
        (2, "candidate"),
        (1, "candidate"),
    ]
    assert versions[0]["lineage"]["correlationid"] == "run-2"
    assert versions[0]["reason"] == "Better than the baseline: auc 0.9 against 0.5."
    assert "models" in world.heard.announced


def test_versions_registered_at_the_same_time_have_numbers_of_their_own(
    world: World, stays: Model
) -> None:
    event = evaluated(world.blobs, stays)

    def register(run: int) -> int:
        with world.database.session() as session:
            return world.models.register(session, event, f"run-{run}")

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(register, range(12))) == list(range(1, 13))


def test_of_two_that_expect_the_same_champion_one_is_told(world: World, stays: Model) -> None:
    for run in range(9):
        world.register(stays, f"run-{run}")
    world.promote("stays", 1, None)

    def promote(version: int) -> str:
        try:
            world.promote("stays", version, 1)
        except Conflict as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(promote, range(2, 10)))

    found = world.models.get("stays")
    assert won.count("") == 1
    assert found["champion"] == 2 + won.index("")
    assert all("meanwhile version" in told for told in won if told)
    states = {one["version"]: one["state"] for one in found["versions"]}
    assert states.pop(found["champion"]) == "champion"
    assert states.pop(1) == "retired"
    assert set(states.values()) == {"candidate"}
    assert len(found["promotions"]) == 2


def test_who_watches_is_told_when_it_is_committed(world: World, stays: Model) -> None:
    """A hint that comes before is of no use: what it speaks of can't be read yet."""
    with world.database.session() as session:
        world.models.register(session, evaluated(world.blobs, stays), "run-1")
        with session.begin_nested():
            world.models.hold(session, "stays", 1, "run-1", "event-1")
        assert world.heard.announced == []
    assert world.heard.announced == ["models"]


def test_a_swap_that_is_repeated_changes_nothing(world: World, stays: Model) -> None:
    world.register(stays, "run-1")
    world.promote("stays", 1, None)
    world.promote("stays", 1, None)

    assert len(world.models.get("stays")["promotions"]) == 1


def test_an_operator_promotes_and_goes_back(trusting: World, stays: Model, other: Model) -> None:
    world = trusting
    for run, model in enumerate((stays, other, stays)):
        world.register(model, f"run-{run}")
    models = world.models

    assert models.promote("stays", 1, "user:ann", "first")["previous"] is None
    assert models.promote("stays", 3, "user:ann", "better")["previous"] == 1
    assert models.rollback("stays", "user:bob", "worse")["version"] == 1
    assert models.get("stays")["champion"] == 1
    with pytest.raises(Conflict, match="no champion to go back to"):
        models.rollback("stays", "user:bob")
    assert models.promote("stays", 2, "user:ann")["previous"] == 1
    assert models.rollback("stays", "user:bob")["version"] == 1

    told = [(one.type, one.data.version) for one in world.heard.events]
    assert told[:3] == [
        ("deployment.finished", 1),
        ("deployment.finished", 3),
        ("deployment.rolledback", 3),
    ]
    rolled_back = world.heard.events[2]
    assert (rolled_back.data.champion, rolled_back.data.reason) == (1, "worse")
    assert (rolled_back.partitionkey, rolled_back.data.by) == ("stays", "user:bob")
    noted = [(one["action"], one["before"], one["after"]) for one in world.audit.find().items]
    assert noted[-3:] == [
        ("model.rolledback", 3, 1),
        ("model.promoted", 1, 3),
        ("model.promoted", None, 1),
    ]


def decisions(world: World, model: Model) -> list[Callable[[], Any]]:
    """What a person can decide of two versions of which the second waits."""
    models = world.models
    world.register(model, "run-1")
    version = world.register(model, "run-2")
    with world.database.session() as session:
        models.hold(session, "stays", version, "run-2", "event-2")
    return [
        lambda: models.promote("stays", 1, "user:ann"),
        lambda: models.predict_file(b"age,city\n30,Oslo\n", "stays", "user:ann", filename="p.csv"),
        lambda: models.approve("stays", version, "user:ann", "better"),
        lambda: models.promote("stays", version, "user:ann"),
        lambda: models.rollback("stays", "user:ann"),
    ]


def kept(world: World) -> list[str]:
    with world.database.read() as session:
        return [one.event.type for one in outbox.due(session, world.clock.now(), 100)]


def test_a_decision_that_is_not_committed_is_not_published(
    trusting: World, stays: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a version would be deployed that SQL says waits, and nobody would know who did it."""

    def lost(_: Any) -> None:
        raise Unavailable("it can't be committed")

    for decide in decisions(trusting, stays):
        before = trusting.heard.events[:]
        with monkeypatch.context() as patched:
            patched.setattr(Session, "commit", lost)
            with pytest.raises(Unavailable):
                decide()
        assert trusting.heard.events == before
        assert kept(trusting) == []
        assert len(trusting.audit.find().items) == len(before)
        decide()
    assert trusting.models.get("stays")["champion"] == 1
    told = ["deployment.finished", "batch.requested", "model.approved", "deployment.finished"]
    assert [one.type for one in trusting.heard.events] == [*told, "deployment.rolledback"]


def test_a_decision_is_published_later_where_redis_is_away(trusting: World, stays: Model) -> None:
    trusting.heard.broken = True
    for decide in decisions(trusting, stays):
        decide()
    assert trusting.heard.events == []
    told = ["deployment.finished", "batch.requested", "model.approved", "deployment.finished"]
    assert kept(trusting) == [*told, "deployment.rolledback"]
    noted = trusting.audit.find(action="model.approved").items
    assert [(one["before"], one["after"], one["details"]) for one in noted] == [
        ("candidate", "approved", {"version": 2, "reason": "better"})
    ]


def test_a_later_decision_does_not_overtake_one_that_waits(trusting: World, stays: Model) -> None:
    """Who follows the topic ends with what was decided last; another model's doesn't wait for it."""
    first, second = [trusting.register(stays, f"run-{n}") for n in range(2)]
    trusting.register(stays, "run-3", "other")
    trusting.heard.broken = True
    trusting.models.promote("stays", first, "user:ann")
    trusting.heard.broken = False
    trusting.models.promote("stays", second, "user:ann")
    trusting.models.promote("other", 1, "user:ann")
    assert [one.subject for one in trusting.heard.events] == ["other"]
    with trusting.database.session() as session:
        waiting = outbox.due(session, trusting.clock.now(), 100)
        assert [one.event.data["version"] for one in waiting] == [first, second]
        outbox.drop(session, [one.id for one in waiting])  # as the relay does
    trusting.models.rollback("stays", "user:ann")
    assert [one.type for one in trusting.heard.events][1:] == ["deployment.rolledback"]
    assert kept(trusting) == []


def test_a_decision_that_the_outbox_cannot_be_asked_of_holds(
    trusting: World, stays: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise Unavailable("the database is away")

    trusting.register(stays, "run-1")
    monkeypatch.setattr(outbox, "first_under", away)
    assert trusting.models.promote("stays", 1, "user:ann")["version"] == 1
    assert (trusting.heard.events, kept(trusting)) == ([], ["deployment.finished"])


def test_what_cannot_be_promoted_is_told(trusting: World, stays: Model) -> None:
    trusting.register(stays, "run-1")
    trusting.models.promote("stays", 1, "user:ann")

    with pytest.raises(Conflict, match="champion already"):
        trusting.models.promote("stays", 1, "user:ann")
    with pytest.raises(NotFound, match="no version 7"):
        trusting.models.promote("stays", 7, "user:ann")
    with pytest.raises(NotFound):
        trusting.models.promote("nothing", 1, "user:ann")
    with pytest.raises(NotFound):
        trusting.models.rollback("nothing", "user:ann")


def test_a_check_that_fails_stops_a_promotion(
    world: World, stays: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.domain.model_steps.check_model", lambda *_: Check(0, "They differ."))
    world.register(stays, "run-1")

    with pytest.raises(Refused, match=r"not promoted\. They differ"):
        world.models.promote("stays", 1, "user:ann")
    assert world.models.get("stays")["champion"] is None
    assert world.heard.events == []


def test_predictions_name_model_and_version(world: World, stays: Model) -> None:
    world.register(stays, "run-1")
    world.promote("stays", 1, None)
    answer = world.models.predict("stays", [ROW, {"age": 19, "city": "Rome"}])

    assert (answer["model"], answer["version"]) == ("stays", 1)
    assert [one["value"] for one in answer["predictions"]] == ["yes", "no"]
    assert describe(ValueError("after it"), "shop.score", 1.0).model == "stays, version 1"
    model_in_use.forget()
    assert describe(ValueError("of another"), "shop.score", 1.0).model is None


def test_another_process_uses_a_new_champion_within_half_a_second(
    world: World, stays: Model, other: Model
) -> None:
    elsewhere = world.another_process()
    world.register(stays, "run-1")
    world.register(other, "run-2")
    world.promote("stays", 1, None)
    assert elsewhere.models.predict("stays", [ROW])["predictions"][0]["value"] == "yes"

    world.promote("stays", 2, 1)

    assert world.models.predict("stays", [ROW])["version"] == 2
    elsewhere.clock.sleep(0.5)
    answer = elsewhere.models.predict("stays", [ROW])
    assert (answer["version"], answer["predictions"][0]["value"]) == (2, "no")
    elsewhere.database.dispose()


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "at least one row"),
        ("text", "at least one row"),
        ({"age": 3}, "at least one row"),
        ([ROW] * 10_001, "too many"),
        ([ROW, {"age": "x"}, 5], "row 1: column 'age'.*row 2: a row is an object"),
    ],
)
def test_rows_that_cannot_be_scored_are_refused_and_named(
    world: World, stays: Model, rows: object, words: str
) -> None:
    world.register(stays, "run-1")
    world.promote("stays", 1, None)

    with pytest.raises(Refused, match=words):
        world.models.predict("stays", rows)  # type: ignore[arg-type]


def test_predicting_without_a_model_or_a_champion(world: World, stays: Model) -> None:
    with pytest.raises(NotFound, match="no model 'stays'"):
        world.models.predict("stays", [ROW])
    world.register(stays, "run-1")
    with pytest.raises(Conflict, match="no champion yet"):
        world.models.predict("stays", [ROW])
    world.promote("stays", 1, None)
    assert world.models.predict("stays", [ROW])["version"] == 1


@pytest.mark.parametrize("version", [0, 2, 2**31, 10**20])
def test_a_version_that_is_not_there_is_told(world: World, stays: Model, version: int) -> None:
    world.register(stays, "run-1")
    with pytest.raises(NotFound):
        world.models.version("stays", version)
    with pytest.raises(NotFound):
        world.promote("stays", version, None)


def test_models_are_listed_with_their_newest_version_and_champion(
    world: World, stays: Model
) -> None:
    for run in range(3):
        world.register(stays, f"run-{run}")
        world.register(stays, f"run-{run}", name="other")
    world.promote("stays", 1, None)

    first = world.models.find(limit=1)
    second = world.models.find(limit=1, cursor=first.next)
    assert [one["name"] for one in (*first.items, *second.items)] == ["stays", "other"]
    assert [one["version"] for one in first.items[0]["versions"]] == [3, 1]
    assert [one["version"] for one in second.items[0]["versions"]] == [3]
    assert second.next is None
