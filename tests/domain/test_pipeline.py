"""The sample pipeline in memory: what becomes of an upload."""

from __future__ import annotations

import io
import json
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from app.domain import pipeline
from app.domain.check import Check
from app.domain.events import DatasetUploaded
from app.errors import Conflict, NotFound, Refused
from app.ml import building, reading
from app.ml.artefact import Model
from app.ml.check import check
from app.ml.training import Untrainable
from app.store import cancellations
from app.store.blobs import BlobStore
from app.testing import InMemoryPlatform
from tests.domain.conftest import evaluated
from tests.ml.tables import csv, prices, two_classes
from workers import handlers

TO_THE_END = [
    "dataset.uploaded",
    "dataset.validated",
    "training.started",
    "training.finished",
    "model.evaluated",
    "model.registered",
    "model.approved",
    "deployment.started",
    "deployment.finished",
]


def upload(memory: InMemoryPlatform, data: bytes, target: str = "stays", **more: Any) -> str:
    """Upload and let everything happen; the run's id."""
    name = more.pop("name", "stays")
    answer: dict[str, str] = memory.platform.datasets.upload(
        data, name, target, filename="a.csv", actor="user:ann", **more
    )
    memory.run()
    return answer["correlationid"]


def run_of(memory: InMemoryPlatform, id: str) -> list[Any]:
    """The events of a run, each after its cause."""
    caused = {event.causationid: event for event in memory.events() if event.correlationid == id}
    run, cause = [], None
    while cause in caused:
        run.append(caused[cause])
        cause = run[-1].id
    return run


@pytest.fixture(autouse=True)
def checked_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check itself, but for the process of its own, which takes seconds."""

    def check_model(blobs: BlobStore, artefact: str, sample: str) -> Check:
        result = check(blobs.read(artefact), json.loads(blobs.read(sample)))
        return Check(result["rows"], result["problem"])

    monkeypatch.setattr("app.domain.model_steps.check_model", check_model)


def test_from_an_upload_to_a_model_that_answers(memory: InMemoryPlatform) -> None:
    id = upload(memory, two_classes(400))
    run = run_of(memory, id)
    models = memory.platform.models

    assert [event.type for event in run] == TO_THE_END
    assert {(event.partitionkey, event.subject) for event in run} == {("stays", "stays")}
    assert (
        models.predict("stays", [{"age": 75, "city": "Oslo"}])["predictions"][0]["value"] == "yes"
    )
    assert memory.platform.datasets.get("stays")["state"] == "validated"
    lineage = models.get("stays")["versions"][0]["lineage"]
    assert lineage["dataset_version"] == 1
    assert (lineage["rows"], lineage["trained_on"] + lineage["held_out"]) == (400, 400)
    assert (lineage["by"], lineage["correlationid"]) == ("user:ann", id)
    assert lineage["sha256"] == run[0].data.file.removeprefix("sha256:")
    assert lineage["parameters"]["algorithm"] in ("logistic", "boosting")
    assert run[4].data.metrics["auc"] > 0.8
    assert run[-1].data.checked_rows > 0


def test_a_model_that_is_worse_waits_for_a_person_too(memory: InMemoryPlatform) -> None:
    upload(memory, two_classes(1500))
    worse = upload(memory, two_classes(80, seed=1).replace(b"Oslo", b"Rome"))

    assert [event.type for event in run_of(memory, worse)][-1] == "model.registered"
    found = memory.platform.models.get("stays")
    assert (found["champion"], found["versions"][0]["state"]) == (1, "waiting")
    assert "Better than the champion" not in found["versions"][0]["reason"]
    assert "a person decides" in found["versions"][0]["reason"]
    assert found["versions"][0]["champion"]["metrics"]["auc"] > 0.5


def test_the_same_table_again_is_no_better(memory: InMemoryPlatform) -> None:
    upload(memory, two_classes(400))
    again = upload(memory, two_classes(400))

    assert [event.type for event in run_of(memory, again)][-1] == "model.rejected"
    found = memory.platform.models.get("stays")
    assert found["champion"] == 1
    assert [one["state"] for one in found["versions"]] == ["rejected", "champion"]
    assert found["versions"][0]["champion"]["metrics"] == found["versions"][0]["metrics"]


def waiting(memory: InMemoryPlatform) -> str:
    """A champion, and a second version that is hardly better or worse; its run."""
    upload(memory, two_classes(400))
    return upload(memory, two_classes(400, seed=8) + two_classes(400).partition(b"\n")[2])


def test_what_may_be_chance_waits_for_a_person(memory: InMemoryPlatform) -> None:
    id = waiting(memory)
    models = memory.platform.models

    assert [event.type for event in run_of(memory, id)][-1] == "model.registered"
    version = models.get("stays")["versions"][0]
    assert (version["state"], models.get("stays")["champion"]) == ("waiting", 1)
    assert "a person decides" in version["reason"]
    low, high = version["intervals"]["auc"]
    assert low < version["metrics"]["auc"] < high
    assert version["gain"][0] <= 0
    assert models.evaluation("stays", 2)["confusion"]["labels"] == ["no", "yes"]


def test_a_persons_yes_lets_the_run_go_on(memory: InMemoryPlatform) -> None:
    id = waiting(memory)
    models = memory.platform.models
    with pytest.raises(Refused, match="give a reason"):
        models.approve("stays", 2, "user:ann", " ")
    models.approve("stays", 2, "user:ann", "newer rows")
    memory.run()

    run = run_of(memory, id)
    assert [event.type for event in run] == TO_THE_END
    assert (run[6].data.by, run[6].data.reasons) == ("user:ann", ["newer rows"])
    found = models.get("stays")
    assert found["champion"] == 2
    assert (found["promotions"][0]["by"], found["promotions"][0]["reason"]) == (
        "user:ann",
        "newer rows",
    )
    with pytest.raises(Conflict, match="doesn't wait"):
        models.reject("stays", 2, "user:ann", "too late")


def test_a_persons_no_ends_the_run(memory: InMemoryPlatform) -> None:
    id = waiting(memory)
    memory.platform.models.reject("stays", 2, "user:ann", "not now")
    memory.run()

    assert [event.type for event in run_of(memory, id)][-1] == "model.rejected"
    found = memory.platform.models.get("stays")
    assert (found["champion"], found["versions"][0]["state"]) == (1, "rejected")


def test_where_nobody_answers_within_a_day_the_version_is_rejected(
    memory: InMemoryPlatform,
) -> None:
    id = waiting(memory)
    memory.advance(24 * 3600 - 60)
    assert [event.type for event in run_of(memory, id)][-1] == "model.registered"
    memory.advance(120)
    assert memory.dead_letters == [], memory.deliveries[-3:]

    assert [event.type for event in run_of(memory, id)][-1] == "model.rejected"
    version = memory.platform.models.get("stays")["versions"][0]
    assert (version["state"], version["reason"]) == (
        "rejected",
        "Nobody approved it within 24h.",
    )
    (noted,) = memory.platform.audit.find(action="model.rejected").items
    assert (noted["before"], noted["after"]) == ("waiting", "rejected")
    assert noted["details"]["version"] == 2
    with pytest.raises(Conflict, match="doesn't wait"):
        memory.platform.models.approve("stays", 2, "user:ann", "too late")


def test_promoting_what_waits_by_hand_ends_the_waiting(memory: InMemoryPlatform) -> None:
    waiting(memory)
    models = memory.platform.models
    models.promote("stays", 2, "user:ann", "sure")

    assert models.get("stays")["champion"] == 2
    with pytest.raises(Conflict, match="doesn't wait"):
        models.approve("stays", 2, "user:bob", "me too")


def test_a_training_tells_its_steps_in_its_run(memory: InMemoryPlatform) -> None:
    id = upload(memory, two_classes(100))

    told = memory.events("training.progressed")
    assert next(event.data.step for event in told) == "reading the table"
    assert {event.correlationid for event in told} == {id}
    assert {event.causationid for event in told} == {memory.events("training.started")[0].id}
    assert [event.data.share for event in told] == sorted(event.data.share for event in told)


def test_reading_a_large_file_tells_how_far_it_is(
    memory: InMemoryPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "TOLD_CELLS", 10_000)
    upload(memory, b"a,stays\n1,no\n" + b"2,yes\n" * 20_000)
    told = memory.events("dataset.progressed")

    assert told[0].data.dataset == "stays"
    assert told[0].data.step == "reading the table"
    assert told[1].data.step.startswith("reading the table: ")
    assert [one.data.share for one in told] == sorted(one.data.share for one in told)
    small = len(told)
    upload(memory, two_classes(400))
    # A small table is told to be read, and read before there is more to tell.
    assert len(memory.events("dataset.progressed")) == small + 1


def test_a_run_that_is_cancelled_deploys_nothing(
    memory: InMemoryPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is read, before it is trained, while it is tested, and before it is put in place."""
    models = memory.platform.models

    def cancel(id: str) -> None:
        with memory.platform.database.session() as session:
            cancellations.cancel(session, id, "user:bob", "wrong file", 0.0)

    def cancelled_before(step: str) -> str:
        answer = memory.platform.datasets.upload(two_classes(200), step, "stays", actor="user:ann")
        id = answer["correlationid"]
        with monkeypatch.context() as patched:
            patched.setattr(pipeline, step, when(getattr(pipeline, step), id))
            memory.run()
        return id

    def when(original: Any, id: str) -> Any:
        def instead(*arguments: Any) -> Any:
            cancel(id)
            return original(*arguments)

        return instead

    read = run_of(memory, cancelled_before("judge"))
    ordered = run_of(memory, cancelled_before("order_training"))
    tested = run_of(memory, cancelled_before("evaluate"))
    assert [event.type for event in read] == ["dataset.uploaded", "dataset.rejected"]
    assert read[-1].data.reason == "The run was cancelled by user:bob: wrong file"
    assert [event.type for event in tested][-2:] == ["training.finished", "training.cancelled"]
    assert [event.type for event in ordered][-2:] == ["training.started", "training.cancelled"]
    assert (ordered[-1].data.by, ordered[-1].data.reason) == ("user:bob", "wrong file")

    monkeypatch.setattr(models, "check", lambda *_: cancel(last["correlationid"]) or Check(1, None))
    last = memory.platform.datasets.upload(two_classes(200), "last", "stays", actor="user:ann")
    memory.run()
    (ended,) = memory.events("deployment.rolledback")
    assert "cancelled by user:bob" in ended.data.reason
    assert memory.events("deployment.finished") == []


def test_a_whole_file_is_scored_and_bad_rows_say_why(memory: InMemoryPlatform) -> None:
    upload(memory, two_classes(400))
    models = memory.platform.models
    file = csv("name,age,city", ["=cmd(),75,Oslo", "b,old,Rome", "c,,?", "d,30", "e,1,Rome,x"])
    answer = models.predict_file(file, "stays", "user:ann", filename="people.csv")
    memory.run()

    (event,) = memory.events("batch.completed")
    assert event.correlationid == answer["correlationid"]
    assert (event.data.version, event.data.rows, event.data.failed) == (1, 5, 3)
    head, *lines = memory.platform.blobs.read(event.data.result).decode().splitlines()
    assert head == "name,age,city,prediction,probability,model_version,problem"
    assert lines[0].startswith("'=cmd(),75,Oslo,yes,0.")
    assert "should be a number" in lines[1]
    assert lines[2].split(",")[3] in ("yes", "no")
    assert lines[3:] == ["d,30,,,,1,2 cells instead of 3", "e,1,Rome,,,1,4 cells instead of 3"]


def test_a_file_is_read_by_its_own_numbers_and_says_so(memory: InMemoryPlatform) -> None:
    upload(memory, csv("x;y", [f"{i},5;{'ab'[i > 50]}" for i in range(100)]), "y", name="commas")

    def scored(*lines: str) -> tuple[list[str], list[str]]:
        memory.platform.models.predict_file(csv("x;z", list(lines)), "commas", "user:ann")
        memory.run()
        done = memory.events("batch.completed")[-1].data
        rows = memory.platform.blobs.read(done.result).decode().splitlines()[1:]
        return [row.split(",")[-4] for row in rows], done.notes

    assert scored("2,5;1", "90,25;2") == (["a", "b"], [])
    values, notes = scored("2.5;1", "90.25;2")
    assert values == ["a", "b"]
    assert notes == ["Numbers are read as 1234.5, other than in training."]
    # Either reading is a number: that of the training holds.
    upload(memory, csv("x;y", [f"{i}.000,5;{'ab'[i > 50]}" for i in range(1, 99)]), "y", name="big")
    memory.platform.models.predict_file(csv("x;z", ["2.000;1", "90.000;1"]), "big", "user:ann")
    memory.run()
    done = memory.events("batch.completed")[-1].data
    lines = memory.platform.blobs.read(done.result).decode().splitlines()
    assert ([line.split(",")[2] for line in lines[1:]], done.notes) == (["a", "b"], [])


def test_a_file_without_names_is_matched_by_its_places(memory: InMemoryPlatform) -> None:
    rows = [f"{'ab'[i > 50]},{i},{'pq'[i % 2]}" for i in range(100)]
    answer = memory.platform.datasets.upload(
        csv(rows[0], rows[1:]), "bare", "0", header=False, actor="user:ann"
    )
    memory.run()
    assert [e.type for e in run_of(memory, answer["correlationid"])] == TO_THE_END

    def ended(*lines: str) -> Any:
        memory.platform.models.predict_file("\n".join(lines).encode(), "bare", "user:ann")
        memory.run()
        return memory.events("batch.completed", "batch.failed")[-1].data

    for lines in (["3,p", "97,q"], ["a,3,p", "b,97,q"], ["kind,n,c", "?,3,p", "?,97,q"]):
        told = memory.platform.blobs.read(ended(*lines).result).decode().splitlines()[1:]
        assert [line.split(",")[-4] for line in told] == ["a", "b"]
    assert "a table of 3 columns without names, and this file has 4" in ended("1,2,3,4").reason


def test_a_file_that_lacks_what_the_model_needs_fails_once(memory: InMemoryPlatform) -> None:
    rows = [f"{i},{'pq'[i % 2]},{'no' if i < 50 else 'yes'}" for i in range(100)]
    upload(memory, csv("size,kind,stays", rows))
    models = memory.platform.models
    for file in (csv("sise,kind", ["1,p"]), csv("size,size,kind", ["1,2,p"]), b"size,kind\n"):
        models.predict_file(file, "stays", "user:ann")
    memory.run()

    lacking, twice, empty = (event.data.reason for event in memory.events("batch.failed"))
    assert "no column 'size', which the model needs. Is 'sise' meant for 'size'?" in lacking
    assert "Two columns have the same name: size" in twice
    assert "no rows below its first line" in empty


def test_an_evaluation_file_with_other_numbers_is_no_obstacle(memory: InMemoryPlatform) -> None:
    rows = [f"{i}.5,{'ab'[i > 50]}" for i in range(100)]
    commas = csv("x;y", [row.replace(",", ";").replace(".", ",") for row in rows])
    id = upload(memory, csv("x,y", rows), "y", name="two", evaluation=commas)

    run = run_of(memory, id)
    assert [event.type for event in run] == TO_THE_END
    assert run[-1].data.checked_rows > 0


def test_a_parquet_file_is_scored_by_its_numbers_and_progress_is_told(
    memory: InMemoryPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "TOLD_CELLS", 1)
    rows = [f"{1000 + i % 100 * 20:,};{'ab'[i % 100 > 50]}".replace(",", ".") for i in range(300)]
    upload(memory, csv("price;y", rows), "y", name="prices")
    out = io.BytesIO()
    parquet.write_table(pyarrow.table({"price": [1.234, 2900.5] * 2000}), out)
    memory.platform.models.predict_file(out.getvalue(), "prices", "user:ann")
    memory.run()

    (done,) = memory.events("batch.completed")
    lines = memory.platform.blobs.read(done.data.result).decode().splitlines()
    assert (len(lines), done.data.failed) == (4001, 0)
    assert [line.split(",")[:2] for line in lines[1:3]] == [["1.234", "a"], ["2900.5", "b"]]
    shares = [one.data.share for one in memory.events("batch.progressed")]
    assert shares == sorted(shares)
    assert 0 == shares[0] < shares[-1] < 1


def test_a_file_that_is_no_table_is_a_failed_batch(memory: InMemoryPlatform) -> None:
    upload(memory, two_classes(400))
    memory.platform.models.predict_file(b"<html></html>", "stays", "user:ann")
    memory.run()

    (event,) = memory.events("batch.failed")
    assert "HTML page" in event.data.reason
    with pytest.raises(NotFound, match="no model"):
        memory.platform.models.predict_file(b"x", "nothing", "user:ann")


def test_rows_that_break_an_operators_rule_are_left_out(memory: InMemoryPlatform) -> None:
    datasets = memory.platform.datasets
    with pytest.raises(Refused, match="isn't understood"):
        datasets.set_rules("stays", ["age should be fine"], "user:ann")
    datasets.set_rules("stays", ["age between 20 and 60", "", "no nulls in city"], "user:ann")
    again = datasets.set_rules("stays", ["age between 0 and 60", "no nulls in city"], "user:ann")
    assert (again["version"], again["by"]) == (2, "user:ann")
    upload(memory, two_classes(400))

    (version,) = datasets.get("stays")["versions"]
    report, lines = version["report"], list(datasets.rejected_rows("stays", 1))
    assert report["rules"] == ["age between 0 and 60", "no nulls in city"]
    assert report["profile"][0]["max"] <= 60
    assert report["rows"] + report["rows_breaking_rules"] == 400
    assert len(lines) == 1 + report["rows_breaking_rules"]
    lineage = memory.platform.models.get("stays")["versions"][0]["lineage"]
    assert lineage["trained_on"] + lineage["held_out"] == report["rows"]
    datasets.set_rules("stays", ["wage > 0"], "user:ann")
    upload(memory, two_classes(400))
    assert "'wage', which isn't there" in datasets.get("stays")["versions"][0]["reasons"][0]


def test_an_upload_is_compared_with_the_one_before(memory: InMemoryPlatform) -> None:
    upload(memory, two_classes(400))
    upload(memory, two_classes(400).replace(b"Bonn", b"Turin"))

    second, first = memory.platform.datasets.get("stays")["versions"]
    assert first["report"]["compared_with"] is None
    assert second["report"]["compared_with"] == 1
    assert list({c["column"] for c in second["report"]["changes"]}) == ["city"]


def test_rows_that_were_left_out_can_be_downloaded_as_text(memory: InMemoryPlatform) -> None:
    table = two_classes(200) + b"=1+1,Oslo,\n40,Rome,yes,more\n-5,@x,\n"
    upload(memory, table)

    lines = list(memory.platform.datasets.rejected_rows("stays", 1))
    assert lines == [
        "row,reason,age,city,stays\r\n",
        "201,no target,'=1+1,Oslo,\r\n",
        "202,4 cells instead of 3,40,Rome,yes,more\r\n",
        "203,no target,-5,'@x,\r\n",
    ]
    with pytest.raises(NotFound):
        memory.platform.datasets.rejected_rows("stays", 2)


def test_a_better_model_takes_over(memory: InMemoryPlatform) -> None:
    noise = two_classes(80, seed=1).replace(b"Oslo", b"Rome")
    upload(memory, noise)
    better = upload(memory, two_classes(1500))

    assert [event.type for event in run_of(memory, better)] == TO_THE_END
    found = memory.platform.models.get("stays")
    assert found["champion"] == 2
    assert "Better than the champion" in found["versions"][0]["reason"]


def test_a_regression_and_a_second_file(memory: InMemoryPlatform) -> None:
    id = upload(memory, prices(300), "price", name="prices", evaluation=prices(60, seed=3))
    run = run_of(memory, id)

    assert [event.type for event in run] == TO_THE_END
    assert set(run[4].data.metrics) == {"rmse", "mae", "r2"}
    assert run[4].data.lineage.test_source == "evaluation file"
    assert run[4].data.lineage.tested_on == 60


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<html><body>Please sign in</body></html>", "HTML page"),
        (b"", "empty"),
        (csv("x,stays", [f"{i},yes" for i in range(50)]), "one class only"),
        (csv("x,y", [f"{i},{i % 2}" for i in range(50)]), "no column 'stays'"),
    ],
)
def test_a_bad_table_is_rejected_with_the_reason(
    memory: InMemoryPlatform, data: bytes, words: str
) -> None:
    id = upload(memory, data)
    run = run_of(memory, id)

    assert [event.type for event in run] == ["dataset.uploaded", "dataset.rejected"]
    assert words in run[1].data.reason
    (version,) = memory.platform.datasets.get("stays")["versions"]
    assert version["state"] == "rejected"
    assert words in version["reasons"][0]


def test_an_event_without_a_file_is_parked_at_once(memory: InMemoryPlatform) -> None:
    memory.publish("dataset.uploaded", DatasetUploaded(dataset="stays", target="y"))
    memory.publish(
        "dataset.uploaded", DatasetUploaded(dataset="stays", target=0, file="sha256:" + "0" * 64)
    )
    memory.run()

    without, unknown = memory.dead_letters
    assert (without.reason, len(without.attempts)) == ("rejected", 1)
    assert "without a file" in without.error
    assert "There is no blob" in unknown.error


def test_an_upload_published_as_an_event_is_recorded_too(memory: InMemoryPlatform) -> None:
    ref = memory.platform.blobs.put(io.BytesIO(two_classes(100)))
    memory.publish("dataset.uploaded", {"dataset": "theirs", "file": ref, "target": 2})
    memory.run()

    assert memory.platform.datasets.get("theirs")["state"] == "validated"
    assert memory.platform.models.get("theirs")["versions"][0]["version"] == 1
    assert {event.partitionkey for event in memory.events()[1:]} == {"theirs"}


def test_a_training_that_breaks_is_tried_twice_and_parked(
    memory: InMemoryPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise Untrainable("Nothing could be trained on this table.")

    monkeypatch.setattr(building, "build", fail)
    upload(memory, two_classes(100))
    memory.drain()

    (letter,) = memory.dead_letters
    assert (letter.subscription, len(letter.attempts)) == ("workers.handlers.train", 2)
    assert letter.error == "Untrainable: Nothing could be trained on this table."
    assert memory.events("training.finished") == []


def test_registering_and_deploying_again_changes_nothing(memory: InMemoryPlatform) -> None:
    upload(memory, two_classes(200))
    before = memory.platform.models.get("stays")
    memory.rewind(handlers.register)
    memory.run()

    after = memory.platform.models.get("stays")
    assert (after["champion"], len(after["versions"])) == (1, 1)
    assert after["promotions"] == before["promotions"]
    assert len(memory.events("deployment.finished")) == 2
    assert memory.events("deployment.rolledback") == []


def test_a_model_that_fails_its_check_is_not_deployed(
    memory: InMemoryPlatform, stays: Model, other: Model
) -> None:
    blobs = memory.platform.blobs
    event = evaluated(blobs, stays, sample=evaluated(blobs, other).sample)
    memory.publish("model.evaluated", event, key="stays")
    memory.run()

    assert memory.events("deployment.finished") == []
    (last,) = memory.events("deployment.rolledback")
    assert "predictions differ" in last.data.reason
    assert last.data.champion is None
    assert memory.platform.models.get("stays")["versions"][0]["state"] == "rolledback"
    with pytest.raises(Conflict, match="no champion"):
        memory.platform.models.predict("stays", [{"age": 3}])


def test_a_run_that_was_overtaken_does_not_take_over(
    memory: InMemoryPlatform, stays: Model, other: Model
) -> None:
    """Both were tested when there was no champion; the second has to be compared anew."""
    for model in (stays, other):
        memory.publish("model.evaluated", evaluated(memory.platform.blobs, model), key="stays")
    memory.run()

    assert [event.type for event in memory.events("deployment.finished")] == ["deployment.finished"]
    (rolled_back,) = memory.events("deployment.rolledback")
    assert "meanwhile version 1 is the champion" in rolled_back.data.reason
    assert (rolled_back.data.version, rolled_back.data.champion) == (2, 1)
    assert memory.platform.models.get("stays")["champion"] == 1


def test_requests_are_answered_in_batches_and_bad_ones_fail_alone(
    memory: InMemoryPlatform, stays: Model
) -> None:
    memory.publish("model.evaluated", evaluated(memory.platform.blobs, stays), key="stays")
    memory.run()
    good = {"model": "stays", "rows": [{"age": 75, "city": "Oslo"}, {"age": 19, "city": "Rome"}]}
    requests = [
        {**good, "id": "a"},
        {"model": "stays", "rows": [{"age": 20}, {"age": "x"}], "id": "b"},
        {"model": "nothing", "rows": [{"age": 20}], "id": "c"},
        {**good, "id": "d"},
    ]
    for request in requests:
        memory.publish("inference.requested", request)
    memory.run()

    completed, failed = memory.events("inference.completed"), memory.events("inference.failed")
    assert [event.data.id for event in completed] == ["a", "d"]
    assert [one["value"] for one in completed[0].data.predictions] == ["yes", "no"]
    assert completed[0].data.version == 1
    assert completed[0].causationid == memory.events("inference.requested")[0].id
    bad_row, no_model = (event.data for event in failed)
    assert bad_row.problems[0]["row"] == 1
    assert "row 1: column 'age'" in bad_row.reason
    assert "no model 'nothing'" in no_model.reason
    assert memory.dead_letters == []
