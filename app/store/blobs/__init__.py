"""Blobs: uploads, artefacts and reports, by what is in them.

`open_blobs(url, database)` gives the store at a URL: a folder (`file:///…`),
chunks in SQL (`sql:`), or whatever fsspec reaches (`s3://…`, with its driver
installed). All keep the same promises, written in `store.BlobStore`.
"""

from __future__ import annotations

from app.errors import SettingsError
from app.store.blobs.folder import FolderBlobs
from app.store.blobs.remote import RemoteBlobs
from app.store.blobs.sql import SqlBlobs
from app.store.blobs.store import BlobStore, CorruptBlob
from app.store.database import Database

__all__ = ["BlobStore", "CorruptBlob", "open_blobs"]


def open_blobs(url: str, database: Database) -> BlobStore:
    """The blob store at a URL. Raises `SettingsError` where the URL is none."""
    scheme = url.partition(":")[0]
    if scheme == "sql":
        return SqlBlobs(database)
    if scheme == "file":
        return FolderBlobs.at(url)
    if "://" in url:
        return RemoteBlobs(url)
    raise SettingsError(
        f"PENSTOCK_STORAGE_URL is wrong (it is {url!r}): "
        "use file:///a/folder, sql: or an fsspec URL"
    )
