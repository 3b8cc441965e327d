"""The sample is loaded once, and its run is told step by step."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from app.cli import sample
from app.cli.following import follow_run
from tests.web.fakes import FakePlatform


@pytest.fixture
def platform(tmp_path):
    return FakePlatform(data_dir=tmp_path, handlers=("workers.handlers",))


def test_without_the_pipelines_handlers_it_is_not_loaded(tmp_path):
    platform = FakePlatform(data_dir=tmp_path, handlers=("shop.handlers",))
    platform.data["datasets"].clear()
    said: list[str] = []
    assert sample.load(platform, said.append)
    assert platform.datasets.uploads == []
    assert "PENSTOCK_HANDLERS does not name workers.handlers" in said[0]


def run_of(platform: FakePlatform, outcome: str) -> dict:
    return next(run for run in platform.data["runs"] if run["outcome"] == outcome)


def test_where_there_is_a_dataset_it_does_nothing(platform):
    platform.data["runs"] = [run for run in platform.data["runs"] if run["state"] == "succeeded"]
    said: list[str] = []
    assert sample.load(platform, said.append)
    assert said == []
    assert platform.datasets.uploads == []


def test_it_uploads_the_digits_and_says_when_the_model_answers(platform, tmp_path):
    platform.data["datasets"].clear()
    platform.data["runs"].insert(0, run_of(platform, "deployment.finished"))
    said: list[str] = []
    assert sample.load(platform, said.append)
    (upload,) = platform.datasets.uploads
    assert (upload["name"], upload["target"]) == ("digits", "digit")
    assert upload["bytes"].startswith(b"px_0_0,")
    text = "\n".join(said)
    assert "✓ dataset.uploaded" in text
    assert "The model answers: the first digit is 7" in text
    assert "http://localhost:8000/api/v1/models/digits/predict" in text
    assert (tmp_path / "digit.json").read_text().startswith('{"rows": [{"px_0_0": 0.0')


def test_a_run_that_was_stopped_is_followed_again(platform, monkeypatch):
    done = run_of(platform, "deployment.finished")
    platform.data["runs"] = [done | {"state": "running", "subject": "digits"}]
    monkeypatch.setattr(sample, "_follow", lambda *_: done)
    said: list[str] = []
    assert sample.load(platform, said.append)
    assert platform.datasets.uploads == []
    assert said[0] == "Sample: its run goes on where it was stopped."


def test_a_run_that_fails_is_said_so(platform):
    platform.data["datasets"].clear()
    platform.data["runs"].insert(
        0, next(r for r in platform.data["runs"] if r["state"] == "failed")
    )
    said: list[str] = []
    assert not sample.load(platform, said.append)
    assert "python -m app runs show" in said[-1]


def test_a_run_is_followed_until_it_stays_over():
    """A run may look over for a moment, before what its last handler emitted is seen."""
    step = {"event": "1", "subscription": "a", "state": "succeeded"}
    later = {"event": "2", "subscription": "b", "state": "succeeded"}
    states = [
        None,
        {"state": "running", "steps": []},
        {"state": "succeeded", "steps": [step]},
        {"state": "running", "steps": [step]},
        {"state": "succeeded", "steps": [step, later]},
        {"state": "succeeded", "steps": [step, later]},
    ]
    platform = SimpleNamespace(runs=SimpleNamespace(get=lambda _: states.pop(0)))
    seen = list(follow_run(platform, "id", timeout=60, wait=lambda _: None))
    assert states == []
    assert [run["state"] for run in seen if run] == ["running", "succeeded", "running", "succeeded"]
