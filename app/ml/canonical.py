"""The same model, the same bytes: a skops file without memory addresses and times.

skops numbers its objects, and names its arrays' files, by their addresses, and
stamps them with the time. Here both are counted through in order of appearance.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

_EPOCH = (1980, 1, 1, 0, 0, 0)


def canonical(skops_file: bytes) -> bytes:
    """An equal skops file that depends on its content only."""
    with zipfile.ZipFile(io.BytesIO(skops_file)) as archive:
        description = json.loads(archive.read("schema.json"))
        ids: dict[int, int] = {}
        files: dict[str, str] = {}
        _renumber(description, ids, files)
        parts = {"schema.json": json.dumps(description).encode()}
        parts |= {new: archive.read(old) for old, new in files.items()}
    return zipped(parts)


def zipped(parts: dict[str, bytes], packed: bool = True) -> bytes:
    """A ZIP that is the same for the same parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in parts.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
            archive.writestr(entry, content)
    return out.getvalue()


def _renumber(part: Any, ids: dict[int, int], files: dict[str, str]) -> None:
    if isinstance(part, list):
        for item in part:
            _renumber(item, ids, files)
    elif isinstance(part, dict):
        if isinstance(part.get("__id__"), int):
            part["__id__"] = ids.setdefault(part["__id__"], len(ids) + 1)
        name = part.get("file")
        if isinstance(name, str) and "__loader__" in part:
            suffix = name.rpartition(".")[2]
            part["file"] = files.setdefault(name, f"{len(files) + 1}.{suffix}")
        for value in part.values():
            _renumber(value, ids, files)
