"""Columns that know the target by themselves, which are often its result and not its cause.

On a sample of rows, each column alone is made to predict the target: learned
on one half and judged on the other, against always saying the most common.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from app.ml.schema import Task
from app.ml.values import MISSING, label, numbers

SUSPICIOUS = 0.95
"""Of what there is to know about the target."""
BINS = 40
LEAST_ROWS = 40


def knowledge(
    cells: Sequence[str], target: Sequence[str], task: Task, decimal: str = "."
) -> float | None:
    """How much of the target a column knows, 0 to 1; None where there is too little to tell."""
    pairs = [(c, t) for c, t in zip(cells, target, strict=True) if t not in MISSING]
    if len(pairs) < LEAST_ROWS:
        return None
    keys = _groups([cell for cell, _ in pairs], decimal)
    if task == "regression":
        return _explained(keys, numbers([t for _, t in pairs], decimal))
    return _told(keys, [label(t) for _, t in pairs])


def _groups(cells: Sequence[str], decimal: str) -> list[Any]:
    """Numbers in bins of about equal size, texts as they are."""
    found = numbers(cells, decimal)
    known = ~np.isnan(found)
    if known.mean() < 0.9 or len(np.unique(found[known])) <= BINS:
        return list(cells)
    edges = np.unique(np.quantile(found[known], np.linspace(0, 1, BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, found, side="right")
    return [int(b) if k else "missing" for b, k in zip(bins, known, strict=True)]


def _told(keys: Sequence[Any], target: Sequence[str]) -> float | None:
    """Of the errors that always saying the most common makes, the share that the column avoids."""
    seen: defaultdict[Any, Counter[str]] = defaultdict(Counter)
    for key, truth in zip(keys[::2], target[::2], strict=True):
        seen[key][truth] += 1
    usual = Counter(target[::2]).most_common(1)[0][0]
    says = {key: counter.most_common(1)[0][0] for key, counter in seen.items()}
    rest = list(zip(keys[1::2], target[1::2], strict=True))
    wrong = sum(1 for key, truth in rest if says.get(key, usual) != truth)
    blind = sum(1 for _, truth in rest if truth != usual)
    return 1 - wrong / blind if blind else None


def _explained(keys: Sequence[Any], target: np.ndarray) -> float | None:
    """The share of the variance that the groups' means explain."""
    known = ~np.isnan(target)
    sums: defaultdict[Any, list[float]] = defaultdict(list)
    learn = [(k, t) for k, t, ok in zip(keys[::2], target[::2], known[::2], strict=True) if ok]
    test = [(k, t) for k, t, ok in zip(keys[1::2], target[1::2], known[1::2], strict=True) if ok]
    if len(learn) < LEAST_ROWS // 4 or len(test) < LEAST_ROWS // 4:
        return None
    for key, value in learn:
        sums[key].append(value)
    overall = float(np.mean([value for _, value in learn]))
    means = {key: float(np.mean(values)) for key, values in sums.items()}
    wrong = sum((value - means.get(key, overall)) ** 2 for key, value in test)
    blind = sum((value - overall) ** 2 for _, value in test)
    return float(1 - wrong / blind) if blind > 0 else None
