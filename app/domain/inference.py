"""Scoring a micro-batch of requests: those for the same model in one go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.domain.events import InferenceCompleted, InferenceFailed, InferenceRequested
from app.domain.serving import Serving
from app.errors import Conflict, NotFound
from app.ml.scoring import RowProblem

SHOWN_PROBLEMS = 20

Answer = InferenceCompleted | InferenceFailed


def answer(serving: Serving, requests: Sequence[InferenceRequested]) -> list[Answer]:
    """An answer for each request, in order. A bad request fails alone.

    Raises what the blob store or the allow-list raise: then nobody is answered,
    and the whole batch is tried again.
    """
    answers: dict[int, Answer] = {}
    for model in dict.fromkeys(request.model for request in requests):
        mine = [i for i, request in enumerate(requests) if request.model == model]
        answers |= zip(mine, _answer_for(serving, model, [requests[i] for i in mine]), strict=True)
    return [answers[i] for i in range(len(requests))]


def _answer_for(serving: Serving, model: str, requests: list[InferenceRequested]) -> list[Answer]:
    rows = [row for request in requests for row in request.rows]
    try:
        version, predictions, problems = serving.score(model, rows)
    except (NotFound, Conflict) as error:
        return [
            InferenceFailed(model=model, reason=str(error), id=request.id) for request in requests
        ]
    answers, start = [], 0
    for request in requests:
        end = start + len(request.rows)
        mine = [RowProblem(p.row - start, p.problem) for p in problems if start <= p.row < end]
        answers.append(_one(request, version, predictions[start:end], mine))
        start = end
    return answers


def _one(
    request: InferenceRequested, version: int, predictions: list[Any], problems: list[RowProblem]
) -> Answer:
    if not problems:
        return InferenceCompleted(
            model=request.model, version=version, predictions=predictions, id=request.id
        )
    first = problems[0]
    more = f" (and {len(problems) - 1} more rows)" if len(problems) > 1 else ""
    return InferenceFailed(
        model=request.model,
        version=version,
        reason=f"row {first.row}: {first.problem}{more}. Nothing was predicted.",
        problems=[problem.to_dict() for problem in problems[:SHOWN_PROBLEMS]],
        id=request.id,
    )
