"""The check before a promotion, in a process of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.domain import check
from app.domain.check import Check, check_model
from app.ml.artefact import Model
from app.testing.blobs import MemoryBlobs
from tests.domain.conftest import evaluated


def test_agrees_with_what_was_recorded(stays: Model) -> None:
    blobs = MemoryBlobs()
    event = evaluated(blobs, stays)

    assert check_model(blobs, event.artefact, event.sample) == Check(10, None)


def test_finds_a_model_that_says_something_else(stays: Model, other: Model) -> None:
    blobs = MemoryBlobs()
    sample = evaluated(blobs, other).sample

    problem = check_model(blobs, evaluated(blobs, stays).artefact, sample).problem
    assert "predictions differ" in (problem or "")


def test_a_file_that_is_no_artefact_is_a_finding(stays: Model) -> None:
    blobs = MemoryBlobs()
    sample = evaluated(blobs, stays).sample

    assert "damaged" in (check_model(blobs, blobs.put(b"no"), sample).problem or "")


def test_a_check_that_takes_too_long_or_breaks_is_a_finding(stays: Model) -> None:
    blobs = MemoryBlobs()
    event = evaluated(blobs, stays)

    slow = check_model(blobs, event.artefact, event.sample, timeout=0.01)
    assert slow.problem == "The check took longer than 0.01 seconds."
    broken = check_model(blobs, event.artefact, blobs.put(b"no JSON"))
    assert "ended with status 1" in (broken.problem or "")


def test_its_process_knows_no_secrets(
    stays: Model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PENSTOCK_SECRET_KEY", "a secret")
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\nenv > {tmp_path}/env\n")
    program.chmod(0o755)
    monkeypatch.setattr(check.sys, "executable", str(program))
    blobs = MemoryBlobs()
    event = evaluated(blobs, stays)
    check_model(blobs, event.artefact, event.sample)

    assert f"PATH={os.environ['PATH']}" in (tmp_path / "env").read_text()
    assert "secret" not in (tmp_path / "env").read_text()
