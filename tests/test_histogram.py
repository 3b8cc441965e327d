"""A bucket's span is exactly what `bucket_of` puts into it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.telemetry.histogram import bucket_of, span


@given(st.floats(min_value=-10, max_value=1e8))
def test_every_length_lies_in_the_span_of_its_bucket(seconds: float) -> None:
    low, high = span(bucket_of(seconds))

    assert low <= seconds < high


@given(st.integers(min_value=0, max_value=70))
def test_spans_follow_each_other(bucket: int) -> None:
    assert span(bucket)[1] == span(bucket + 1)[0]
