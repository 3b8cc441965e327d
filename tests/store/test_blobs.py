"""Every blob store keeps the same promises."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import tracemalloc

import pytest
from sqlalchemy import text

from app.errors import NotFound, Refused, SettingsError, Unavailable
from app.store.blobs import CorruptBlob, open_blobs
from app.store.blobs.store import CHUNK

BIG = os.urandom(CHUNK * 3 + 17)


@pytest.fixture(params=["folder", "sql-sqlite", "sql-postgresql", "fsspec"])
def blobs(request, tmp_path):
    kind, _, which = request.param.partition("-")
    if kind == "folder":
        return open_blobs((tmp_path / "my blobs").as_uri(), None)
    if kind == "fsspec":
        return open_blobs(f"local://{tmp_path}/remote", None)
    name = "sqlite_store" if which == "sqlite" else "postgres_store"
    return open_blobs("sql:", request.getfixturevalue(name).main)


@pytest.mark.parametrize("content", [b"", b"x", b"y" * CHUNK, BIG])
def test_what_was_put_is_read(blobs, content):
    ref = blobs.put(content)
    assert ref == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert blobs.read(ref) == content
    assert blobs.size(ref) == len(content)
    assert blobs.exists(ref)
    assert blobs.put(io.BytesIO(content)) == ref


def test_a_file_is_put_from_where_it_stands_and_opened_seekable(blobs):
    file = io.BytesIO(b"header" + BIG)
    file.seek(6)
    with blobs.open(blobs.put(file)) as opened:
        assert opened.read(10) == BIG[:10]
        opened.seek(-5, io.SEEK_END)
        assert opened.read() == BIG[-5:]


def test_what_is_not_there_is_not_found(blobs):
    ref = f"sha256:{'0' * 64}"
    assert not blobs.exists(ref)
    for act in (blobs.read, blobs.open, blobs.size):
        with pytest.raises(NotFound):
            act(ref)
    blobs.delete(ref)


def test_a_deleted_blob_is_gone(blobs):
    ref = blobs.put(BIG)
    blobs.delete(ref)
    assert not blobs.exists(ref)
    assert blobs.put(BIG) == ref
    assert blobs.read(ref) == BIG


@pytest.mark.parametrize("ref", ["../../etc/passwd", "sha256:../x", "", None, "sha256:" + "A" * 64])
def test_what_is_no_reference_is_refused(blobs, ref):
    with pytest.raises(Refused):
        blobs.read(ref)


def test_many_may_put_the_same_at_once(blobs):
    refs, problems = [], []

    def put():
        try:
            refs.append(blobs.put(BIG))
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=put) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(set(refs)) == 1
    assert blobs.read(refs[0]) == BIG


class Broken(io.RawIOBase):
    """A file that ends in an error."""

    def __init__(self):
        self.left = 2

    def read(self, size=-1):
        self.left -= 1
        if self.left < 0:
            raise ConnectionResetError("the upload was cut")
        return b"z" * size


def test_an_upload_that_breaks_leaves_nothing(blobs, tmp_path):
    with pytest.raises(ConnectionResetError):
        blobs.put(Broken())
    assert not blobs.exists(f"sha256:{hashlib.sha256(b'z' * CHUNK * 2).hexdigest()}")
    assert [path for path in tmp_path.rglob("*part*")] == []


def test_a_damaged_file_is_noticed(tmp_path):
    blobs = open_blobs(tmp_path.as_uri(), None)
    ref = blobs.put(BIG)
    path = next(path for path in tmp_path.rglob("*") if path.is_file())
    path.write_bytes(BIG[:-1] + bytes([BIG[-1] ^ 1]))
    with pytest.raises(CorruptBlob, match="damaged"):
        blobs.open(ref)
    assert blobs.put(BIG) == ref
    assert blobs.read(ref) == BIG


def test_a_missing_chunk_is_noticed(store):
    blobs = open_blobs("sql:", store.main)
    ref = blobs.put(BIG)
    with store.main.session() as session:
        session.execute(text("DELETE FROM blob_chunks WHERE number = 1"))
    with pytest.raises(CorruptBlob, match="damaged"):
        blobs.read(ref)
    assert blobs.put(BIG) == ref
    assert blobs.read(ref) == BIG


def test_a_folder_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="can't be written"):
        open_blobs((tmp_path / "file").as_uri(), None).put(b"x")


class Endless(io.RawIOBase):
    """Many bytes that are nowhere kept."""

    def __init__(self, size):
        self.left = size

    def read(self, size=-1):
        size = min(size, self.left)
        self.left -= size
        return b"q" * size


def test_large_blobs_take_bounded_memory(sqlite_store, tmp_path):
    for blobs in (
        open_blobs("sql:", sqlite_store.main),
        open_blobs((tmp_path / "folder").as_uri(), None),
    ):
        tracemalloc.start()
        ref = blobs.put(Endless(48 * 1024 * 1024))
        with blobs.open(ref) as file:
            assert file.seek(0, io.SEEK_END) == 48 * 1024 * 1024
        assert tracemalloc.get_traced_memory()[1] < 16 * 1024 * 1024
        tracemalloc.stop()


@pytest.mark.parametrize("url", ["nowhere", "", "gopher-ish://x"])
def test_what_is_no_url_is_a_wrong_setting(url):
    with pytest.raises(SettingsError, match="PENSTOCK_STORAGE_URL"):
        open_blobs(url, None)
