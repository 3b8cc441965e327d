"""Blobs in memory."""

from __future__ import annotations

from collections.abc import Iterator

from app.store.blobs.store import BlobStore, check, missing


class MemoryBlobs(BlobStore):
    """Keeps blobs for as long as it lives itself."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    def exists(self, ref: str) -> bool:
        return check(ref) in self._kept

    def size(self, ref: str) -> int:
        return len(self._bytes(ref))

    def delete(self, ref: str) -> None:
        self._kept.pop(check(ref), None)

    def _write(self, ref: str, content: Iterator[bytes], size: int) -> None:
        self._kept[ref] = b"".join(content)

    def _read(self, ref: str) -> Iterator[bytes]:
        yield self._bytes(ref)

    def _bytes(self, ref: str) -> bytes:
        try:
            return self._kept[check(ref)]
        except KeyError:
            raise missing(ref) from None
