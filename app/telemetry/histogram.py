"""How long things took, as counts in buckets that can be added up. Pure.

Each bucket is a factor of the square root of two wide, from 0.1 ms to a month:
a percentile read from it is right within a fifth of itself. A histogram is a
mapping of bucket to count, and so are the sums of many.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

LOWEST = -13  # exponents below are the first bucket: less than 0.12 ms
LAST = 71
_frexp = math.frexp


def bucket_of(seconds: float) -> int:
    """The bucket of a length of time."""
    if seconds <= 0.0:
        return 0
    part, exponent = _frexp(seconds)
    number = 2 * (exponent - LOWEST) + (part >= 0.7071067811865476)
    return 0 if number < 0 else LAST if number > LAST else number


def upper(bucket: int) -> float:
    """The seconds at which a bucket ends."""
    return float(2.0 ** ((bucket - 1) / 2 + LOWEST))


def span(bucket: int) -> tuple[float, float]:
    """From how many seconds on a length is in a bucket, and below how many."""
    low = upper(bucket - 1) if bucket > 0 else -math.inf
    return low, upper(bucket) if bucket < LAST else math.inf


def merged(histograms: Iterable[Mapping[Any, int]]) -> dict[int, int]:
    """Their sum. Buckets may be text, as JSON's keys are: a chart adds up thousands of these."""
    given: dict[Any, int] = {}
    for each in histograms:
        if not given:
            given = dict(each)
            continue
        for bucket, count in each.items():
            given[bucket] = given.get(bucket, 0) + count
    total: dict[int, int] = {}
    for bucket, count in given.items():
        total[int(bucket)] = total.get(int(bucket), 0) + count
    return total


_MIDDLES = tuple(upper(bucket) / 2**0.25 for bucket in range(LAST + 1))


def quantile(histogram: Mapping[int, int], share: float) -> float | None:
    """The seconds below which that share lies, in the middle of its bucket; None where there is nothing."""
    return quantiles(histogram, [share])[0]


def quantiles(histogram: Mapping[int, int], shares: Sequence[float]) -> list[float | None]:
    """Several of them, for shares that grow."""
    found: list[float | None] = []
    whole, below = sum(histogram.values()), 0
    for bucket in sorted(histogram):
        count = histogram[bucket]
        below += count
        while count and len(found) < len(shares) and shares[len(found)] * whole - below <= 1e-9:
            found.append(_MIDDLES[bucket])
    return found + [None] * (len(shares) - len(found))
