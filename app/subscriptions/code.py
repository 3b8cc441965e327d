"""Which version of an author's code handled something.

The release that the deployer names in PENSTOCK_RELEASE, else a fingerprint of the file that
the handler is in: as honest as it gets without asking anybody, though a change in a module
that it imports does not show.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any


def code_version(handler: Callable[..., Any], platform: Any) -> str | None:
    """`v42` as the deployer says, or `file:8 hex digits`; None where there is no file."""
    release = getattr(getattr(platform, "settings", None), "release", None)
    return release or _fingerprint(getattr(getattr(handler, "__code__", None), "co_filename", ""))


@cache
def _fingerprint(file: str) -> str | None:
    # Once a process: the code that runs is the one that was there when it started.
    try:
        digest = hashlib.blake2b(Path(file).read_bytes(), digest_size=4).hexdigest()
    except OSError:
        return None
    return f"file:{digest}"
