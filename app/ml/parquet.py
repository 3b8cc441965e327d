"""Parquet files, read a batch at a time as the text that a CSV would hold.

So that everything behind the reading (rules, profiles, splits by a row's hash)
is the same for both. Numbers are written as short as they read back, dates as
2026-01-31, what is null as nothing. pyarrow is imported at the first such file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from app.ml.errors import Unreadable

MAGIC = b"PAR1"
ENCODING = "parquet"
"""Stands in a dialect's place for an encoding."""
LARGEST_GROUP = 1 << 30
"""Unpacked bytes of a row group, which is the least that can be read at once."""


def is_parquet(stream: BinaryIO) -> bool:
    """By its first bytes; leaves the stream at its start."""
    stream.seek(0)
    head = stream.read(len(MAGIC))
    stream.seek(0)
    return head == MAGIC


def columns_of(stream: BinaryIO) -> list[str]:
    """The names of the columns. Raises `Unreadable` where the file is damaged."""
    file = _opened(stream)
    for i in range(file.metadata.num_row_groups):
        size = file.metadata.row_group(i).total_byte_size
        if size > LARGEST_GROUP:
            raise Unreadable(
                f"The Parquet file has a row group of {size >> 20:,} MiB, which would have to be "
                f"read at once; {LARGEST_GROUP >> 20:,} MiB is the most. Write it with smaller "
                "row groups."
            )
    return [name.strip() for name in file.schema_arrow.names]


def count(stream: BinaryIO) -> int:
    """How many rows the file says that it has."""
    return int(_opened(stream).metadata.num_rows)


def columns(stream: BinaryIO, rows: int) -> Iterator[list[tuple[str, ...]]]:
    """The columns of so many rows at a time, as text, in the file's order."""
    import pyarrow

    file = _opened(stream)
    try:
        for batch in file.iter_batches(batch_size=rows, use_threads=False):
            if batch.num_rows:
                yield [tuple(_texts(column)) for column in batch.columns]
    except (pyarrow.ArrowException, OSError) as error:
        raise _damaged(error) from error


def _opened(stream: BinaryIO) -> Any:
    import pyarrow
    from pyarrow import parquet

    stream.seek(0)
    try:
        return parquet.ParquetFile(stream, pre_buffer=False)
    except (pyarrow.ArrowException, OSError) as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> Unreadable:
    said = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    return Unreadable(
        f"The Parquet file is cut off or damaged ({said.rstrip('.')}). Write or upload it again."
    )


def _texts(column: Any) -> list[str]:
    """A column's values as the cells of a CSV."""
    import pyarrow
    from pyarrow import compute, types

    kind = column.type
    if types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if types.is_timestamp(kind):
        # To the second, as UTC where there is a zone; a finer part tells a model nothing.
        column = compute.strftime(column, format="%Y-%m-%d %H:%M:%S")
        column = compute.replace_substring_regex(
            column, pattern=r"(:\d\d)\.\d+$", replacement=r"\1"
        )
    elif types.is_nested(kind) or types.is_binary(kind) or types.is_large_binary(kind):
        return [_as_text(value) for value in column.to_pylist()]
    elif not types.is_string(kind):
        column = compute.cast(column, pyarrow.string())
    found: list[str] = compute.fill_null(column, "").to_pylist()
    return found


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return json.dumps(value, default=str, ensure_ascii=False)
