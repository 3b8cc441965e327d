"""What every blob store promises, and the part that is the same for all.

A blob's reference is `sha256:` and its hash: the same bytes are kept once, and
a blob never changes. `put` and `open` take bounded memory whatever the size. A
blob is there whole or not at all. Whoever reads it reads what was written:
`open` and `read` check the hash before they give anything away.
"""

from __future__ import annotations

import hashlib
import io
import re
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import IO, BinaryIO

from app.errors import NotFound, PenstockError, Refused

CHUNK = 256 * 1024
IN_MEMORY = 4 * 1024 * 1024
_REF = re.compile(r"sha256:[0-9a-f]{64}")


class CorruptBlob(PenstockError):
    """A blob's bytes are not those that were written: restore it, or upload it again."""


class BlobStore(ABC):
    def put(self, source: bytes | BinaryIO | IO[bytes]) -> str:
        """Keep bytes, or a file from where it stands to its end; the reference."""
        stream = io.BytesIO(source) if isinstance(source, bytes | bytearray) else source
        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as spool:
            digest = hashlib.sha256()
            size = 0
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
                spool.write(chunk)
            ref = f"sha256:{digest.hexdigest()}"
            sound = self._sound(ref)
            if sound is False:
                self.delete(ref)
            if not sound:
                spool.seek(0)
                self._write(ref, chunks(spool), size)
        return ref

    def _sound(self, ref: str) -> bool | None:
        """Whether the blob is as it was written, None where there is none.

        So that putting a damaged one again mends it.
        """
        digest = hashlib.sha256()
        try:
            for chunk in self._read(ref):
                digest.update(chunk)
        except NotFound:
            return None
        return f"sha256:{digest.hexdigest()}" == ref

    def open(self, ref: str) -> BinaryIO:
        """The blob as a file at its beginning, seekable. Raises `NotFound`, `CorruptBlob`."""
        digest = hashlib.sha256()
        spool = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 (given away)
        try:
            for chunk in self._read(check(ref)):
                digest.update(chunk)
                spool.write(chunk)
            if f"sha256:{digest.hexdigest()}" != ref:
                raise CorruptBlob(
                    f"The blob {ref} is damaged in the store: restore it, or upload it again."
                )
        except BaseException:
            spool.close()
            raise
        spool.seek(0)
        return spool  # type: ignore[return-value]

    def read(self, ref: str) -> bytes:
        """The whole blob. Raises `NotFound`, `CorruptBlob`."""
        with self.open(ref) as file:
            return file.read()

    @abstractmethod
    def exists(self, ref: str) -> bool: ...

    @abstractmethod
    def size(self, ref: str) -> int:
        """How many bytes it has. Raises `NotFound`."""

    @abstractmethod
    def delete(self, ref: str) -> None:
        """Forget a blob; no error where there is none."""

    @abstractmethod
    def _write(self, ref: str, content: Iterator[bytes], size: int) -> None:
        """Keep it whole or not at all; another may be writing the same."""

    @abstractmethod
    def _read(self, ref: str) -> Iterator[bytes]: ...


def chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


def check(ref: str) -> str:
    """The reference itself: it becomes a part of paths, so nothing else may pass."""
    if not isinstance(ref, str) or not _REF.fullmatch(ref):
        raise Refused(f"{ref!r} is no blob's reference: expected sha256: and 64 hex digits.")
    return ref


def missing(ref: str) -> NotFound:
    return NotFound(f"There is no blob {ref} in the store: was it deleted, or put into another?")
