"""Files that are packed with gzip, read as what is in them."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import Any, BinaryIO

from app.ml.errors import Unreadable

MAGIC = b"\x1f\x8b"
MOST_BYTES = 8 << 30
"""Unpacked."""
MOST_TIMES = 200
FREE_BYTES = 256 << 20
"""A small file can hold endless repetition. No table does that shrinks to less than a 200th of its
size; what is no larger than this is read anyway."""


def unpacked(stream: BinaryIO) -> BinaryIO:
    """The stream itself, or what is in it where it is a gzip file; at its start."""
    if isinstance(stream, _Gzip):
        return stream
    stream.seek(0)
    head = stream.read(len(MAGIC))
    stream.seek(0)
    if head != MAGIC:
        return stream
    packed = _Gzip(fileobj=stream, mode="rb")
    packed.packed_size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    return packed  # type: ignore[return-value]


class _Gzip(gzip.GzipFile):
    """Says in words what is wrong with the file."""

    packed_size = 0

    def read(self, size: int | None = -1) -> bytes:
        return self._guarded(super().read, size)

    def read1(self, size: int = -1) -> bytes:
        return self._guarded(super().read1, size)

    def _guarded(self, read: Any, size: int | None) -> bytes:
        try:
            data: bytes = read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise Unreadable(
                f"The gzip file is cut off or damaged ({error}). Pack or upload it again."
            ) from error
        if (size_now := self.tell()) > MOST_BYTES:
            raise Unreadable(
                f"The gzip file unpacks to more than {MOST_BYTES >> 30} GiB. Upload fewer rows."
            )
        if size_now > max(FREE_BYTES, MOST_TIMES * self.packed_size):
            raise Unreadable(
                f"The gzip file unpacks to more than {MOST_TIMES} times its size, which no table "
                "does. If it is one, upload it without gzip."
            )
        return data
