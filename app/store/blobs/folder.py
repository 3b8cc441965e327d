"""Blobs in a folder: one file each, written beside and renamed into place."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from app.errors import Unavailable
from app.store.blobs.store import BlobStore, check, chunks, missing


class FolderBlobs(BlobStore):
    def __init__(self, folder: Path):
        self.folder = folder

    @classmethod
    def at(cls, url: str) -> FolderBlobs:
        """The folder of a `file:` URL."""
        return cls(Path(unquote(urlsplit(url).path)))

    def exists(self, ref: str) -> bool:
        return self._path(ref).is_file()

    def size(self, ref: str) -> int:
        try:
            return self._path(ref).stat().st_size
        except FileNotFoundError:
            raise missing(ref) from None

    def delete(self, ref: str) -> None:
        self._path(ref).unlink(missing_ok=True)

    def _path(self, ref: str) -> Path:
        digest = check(ref).removeprefix("sha256:")
        return self.folder / digest[:2] / digest

    def _write(self, ref: str, content: Iterator[bytes], size: int) -> None:
        path = self._path(ref)
        with _explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # uploads are private
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, beside = tempfile.mkstemp(dir=path.parent, prefix=".part-")
            try:
                with os.fdopen(handle, "wb") as file:
                    for chunk in content:
                        file.write(chunk)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(beside, path)
            except BaseException:
                Path(beside).unlink(missing_ok=True)
                raise
            _sync_folder(path.parent)

    def _read(self, ref: str) -> Iterator[bytes]:
        try:
            file = self._path(ref).open("rb")
        except (FileNotFoundError, NotADirectoryError):
            raise missing(ref) from None
        with file:
            yield from chunks(file)


def _sync_folder(folder: Path) -> None:
    """Make the new name in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"The blob store {folder} can't be written ({error.strerror}): "
            "free some space or make it writable, then try again."
        ) from error
