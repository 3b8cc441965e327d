"""Which code trained a model: a hash over this package's sources, and the libraries' versions."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path


@cache
def code_version() -> str:
    """Twelve hex digits that change with any line of `app/ml`."""
    digest = sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


@cache
def library_versions() -> dict[str, str]:
    return {name: version(name) for name in ("scikit-learn", "numpy", "skops")}
