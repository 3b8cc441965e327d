"""A training in a process of its own: the same model, and its end at every limit."""

from __future__ import annotations

import io
import os
import time
from typing import Any

import pytest

from app.domain import trainer
from app.domain.cancelling import Cancelled
from app.domain.trainer import Stopped, TrainApart, train_here
from app.ml import candidates
from app.ml.samples import DIGITS_TARGET, digits_csv
from app.ml.training import Untrainable
from tests.ml.tables import accepted, csv, two_classes


def job(
    data: bytes = two_classes(300), target: str = "stays", **parameters: Any
) -> tuple[io.BytesIO, dict[str, Any]]:
    _, report = accepted(data, target)
    assert report.schema
    assert report.dialect
    return io.BytesIO(data), {
        "dialect": report.dialect.to_dict(),
        "schema": report.schema.to_dict(),
        "split": True,
        "rows": report.rows,
        "parameters": candidates.parameters(report.schema, parameters or None),
    }


def never() -> bool:
    return False


def endless() -> tuple[io.BytesIO, dict[str, Any]]:
    return job(two_classes(3000), boosting={"max_iter": 500_000, "max_leaf_nodes": 31})


def test_the_same_model_as_here_and_every_step_is_told() -> None:
    told: list[tuple[str, float]] = []
    apart, facts = TrainApart(120)(*job(), lambda *step: told.append(step), never)
    here, _ = train_here(*job(), lambda *step: None, never)

    assert apart == here
    assert facts["trained_on"] + facts["held_out"] == 300
    assert [step for step, _ in told][:2] == ["reading the table", "comparing logistic"]
    assert [share for _, share in told] == sorted(share for _, share in told)


def test_the_sample_gives_the_same_bytes_in_every_process() -> None:
    """Each has a seed of its own for the hashes of texts."""
    data = b"\n".join(digits_csv().splitlines()[:300])
    ordered = job(data, DIGITS_TARGET, boosting={"max_iter": 5})[1]
    made = [
        TrainApart(120)(io.BytesIO(data), ordered, lambda *step: None, never)[0] for _ in range(2)
    ]

    assert made[0] == made[1]


def test_it_is_cancelled_within_seconds() -> None:
    begun: list[float] = []

    def is_cancelled() -> bool:
        return bool(begun)

    def watch(step: str, share: float) -> None:
        if step == "comparing boosting":
            begun.append(time.monotonic())

    with pytest.raises(Cancelled):
        TrainApart(120)(*endless(), watch, is_cancelled)
    assert time.monotonic() - begun[0] < 5


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (TrainApart(0.5), "longer than 0.5 seconds"),
        (TrainApart(120, 1 << 20), "more than 1 MiB of memory"),
    ],
)
def test_a_limit_ends_it_in_words(limits: TrainApart, words: str) -> None:
    with pytest.raises(Stopped, match=words):
        limits(*endless(), lambda *step: None, never)


def test_what_cannot_be_trained_says_so_from_there_too() -> None:
    rows = [f"{i * 7 % 5},{['yes', 'no'][i % 2] if i else 'maybe'}" for i in range(30)]
    file, ordered = job(csv("age,stays", rows))
    ordered["parameters"] = {name: {"no_such_thing": 1} for name in ordered["parameters"]}

    with pytest.raises((Untrainable, Stopped), match="no_such_thing"):
        TrainApart(120)(file, ordered, lambda *step: None, never)


def test_memory_is_known_for_this_machine() -> None:
    assert trainer.resident(os.getpid()) > 1 << 20
    assert trainer.machine_memory() > 1 << 28
