"""Which text encoding a file has.

By its byte order mark, else UTF-16 by its zeros, else UTF-8, else Latin-1.
Reads the whole stream once in small pieces, since the first byte that isn't
UTF-8 may be its last; leaves the stream at its start.
"""

from __future__ import annotations

import codecs
from typing import BinaryIO

from app.ml.errors import Unreadable

PIECE = 1 << 18
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SIGNATURES = (
    (b"PK\x03\x04", "a ZIP or Excel file"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file"),
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "a gzip file in a gzip file"),
    (b"PAR1", "a Parquet file in a gzip file"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"SQLite format 3", "a database"),
)


def detect_encoding(stream: BinaryIO) -> str:
    """The name of a Python codec; raises Unreadable where the bytes are no text at all."""
    head = stream.read(4096)
    if not head.strip():
        raise Unreadable("The file is empty. Upload a CSV file with at least 10 rows.")
    for signature, what in _SIGNATURES:
        if head.startswith(signature):
            raise Unreadable(
                f"This is {what}, not a CSV file. Save the table as CSV and upload that."
            )
    for mark, name in _MARKS:
        if head.startswith(mark):
            stream.seek(0)
            return name
    zeros = _utf16_by_zeros(head)
    name = zeros or _utf8_or_latin1(stream, head)
    stream.seek(0)
    return name


def _utf16_by_zeros(head: bytes) -> str | None:
    """Western text in UTF-16 has a zero in every second byte."""
    if b"\0" not in head:
        return None
    half = max(1, len(head) // 2)
    if head[1::2].count(0) > 0.7 * half and head[0::2].count(0) < 0.1 * half:
        return "utf-16-le"
    if head[0::2].count(0) > 0.7 * half and head[1::2].count(0) < 0.1 * half:
        return "utf-16-be"
    raise _binary()


def _utf8_or_latin1(stream: BinaryIO, piece: bytes) -> str:
    decoder = codecs.getincrementaldecoder("utf-8")()
    name = "utf-8"
    while piece:
        if b"\0" in piece:
            raise _binary()
        if name == "utf-8":
            try:
                decoder.decode(piece)
            except UnicodeDecodeError:
                name = "latin-1"
        piece = stream.read(PIECE)
    if name == "utf-8":
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            name = "latin-1"
    return name


def _binary() -> Unreadable:
    return Unreadable(
        "The file holds binary data, not text. Save the table as CSV and upload that."
    )
