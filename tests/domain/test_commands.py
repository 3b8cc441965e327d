"""`python -m app datasets` and `models`, on the pipeline in memory."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.cli import datasets, models
from app.domain.check import Check
from app.testing import InMemoryPlatform
from tests.cli.conftest import Ran, Run
from tests.cli.conftest import run as run_a_command
from tests.ml.tables import two_classes

run = run_a_command
ROWS = [{"age": 75, "city": "Oslo"}, {"age": 19, "city": "Rome"}]


class Runs:
    """What a projection would show of a run in memory: it goes on each time one looks."""

    def __init__(self, memory: InMemoryPlatform):
        self.memory = memory

    def get(self, correlationid: str) -> dict[str, Any]:
        self.memory.run()
        events = [e for e in self.memory.events() if e.correlationid == correlationid]
        causes = {event.causationid for event in events}
        steps = [
            {"event": e.id, "type": e.type, "subscription": None, "state": "succeeded",
             "error": None} for e in events
        ]  # fmt: skip
        last = [event for event in events if event.id not in causes][-1]
        return {"state": "succeeded", "outcome": last.type, "steps": steps}


@pytest.fixture
def platform(memory: InMemoryPlatform, monkeypatch: pytest.MonkeyPatch) -> Any:
    real = memory.platform
    shown = SimpleNamespace(datasets=real.datasets, models=real.models, runs=Runs(memory))

    @contextmanager
    def opened() -> Iterator[Any]:
        yield shown

    for module in (datasets, models):
        monkeypatch.setattr(module, "opened", opened)
    monkeypatch.setattr("app.domain.model_steps.check_model", lambda *_: Check(10, None))
    return shown


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "stays.csv"
    path.write_bytes(two_classes(200))
    return path


@pytest.fixture
def uploaded(platform: Any, run: Run, table: Path) -> Ran:
    return run("datasets", "upload", str(table), "--name", "stays", "--target", "stays", "--wait")


def test_an_upload_is_followed_to_its_deployment(uploaded: Ran) -> None:
    assert uploaded.status == 0
    assert "stays: succeeded, deployment.finished" in uploaded.output
    assert "Version 1: Better than the baseline" in uploaded.output
    assert "  training.finished\n" in uploaded.errors


def test_an_upload_without_waiting_says_how_to_follow_it(
    platform: Any, run: Run, table: Path
) -> None:
    arguments = ["datasets", "upload", str(table), "--name", "stays", "--target", "stays"]
    ran = run(*arguments)
    answer = json.loads(run(*arguments, "--json").output)

    assert ran.status == 0
    assert "python -m app runs show" in ran.output
    assert answer["dataset"] == "stays"
    assert answer["correlationid"]


def test_a_rejected_table_is_exit_status_1_with_the_reason(
    platform: Any, run: Run, tmp_path: Path
) -> None:
    page = tmp_path / "page.csv"
    page.write_text("<html><body>Sign in</body></html>")
    ran = run("datasets", "upload", str(page), "--name", "page", "--target", "y", "--wait")

    assert ran.status == 1
    assert "page: succeeded, dataset.rejected" in ran.output
    assert "HTML page" in ran.output
    assert "HTML page" in run("datasets", "show", "page").output


def test_datasets_are_listed_and_shown(uploaded: Ran, run: Run) -> None:
    listed = run("datasets", "list")
    shown = run("datasets", "show", "stays")

    assert "stays.csv" in listed.output
    assert json.loads(run("datasets", "list", "--json").output)["items"][0]["name"] == "stays"
    assert "Version 1: validated" in shown.output
    assert "the target" in shown.output
    assert json.loads(run("datasets", "show", "stays", "--json").output)["versions"]
    assert run("datasets", "show", "stays", "--version", "9").status == 2


def test_models_are_listed_and_shown(uploaded: Ran, run: Run) -> None:
    assert "stays" in run("models", "list").output
    assert "champion" in run("models", "show", "stays").output
    assert json.loads(run("models", "show", "stays", "--json").output)["champion"] == 1


@pytest.mark.parametrize("shape", [lambda rows: rows, lambda rows: {"rows": rows}])
def test_predicts_rows_from_an_argument_or_a_pipe(
    uploaded: Ran, run: Run, monkeypatch: pytest.MonkeyPatch, shape: Callable[[Any], Any]
) -> None:
    given = run("models", "predict", "stays", json.dumps(shape(ROWS)))
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(shape(ROWS))))
    piped = run("models", "predict", "stays", "--json")

    assert [line.split()[0] for line in given.output.splitlines()] == ["yes", "no"]
    assert [one["value"] for one in json.loads(piped.output)["predictions"]] == ["yes", "no"]


def test_what_cannot_be_predicted_is_one_line_and_status_1(uploaded: Ran, run: Run) -> None:
    bad = run("models", "predict", "stays", '{"age": "x"}')
    unknown = run("models", "predict", "nothing", '{"age": 1}')

    assert (bad.status, unknown.status) == (1, 1)
    assert bad.errors.startswith("Error: row 0: column 'age'")
    assert "no model 'nothing'" in unknown.errors
    assert run("models", "predict", "stays", "{not json").status == 2


def test_promotes_and_rolls_back(uploaded: Ran, run: Run, table: Path) -> None:
    run("datasets", "upload", str(table), "--name", "stays", "--target", "stays", "--wait")
    promoted = run("models", "promote", "stays", "2", "--reason", "a try")
    back = run("models", "rollback", "stays")

    assert promoted.output == "Version 2 of stays took over from version 1.\n"
    assert back.output == "Version 1 of stays took over from version 2.\n"
    again = run("models", "rollback", "stays")
    assert again.status == 1
    assert "no champion to go back to" in again.errors
