"""The check before a promotion: the artefact is loaded and scored in a clean process.

The process is a fresh Python with none of this one's secrets, which reads the
artefact through the allow-list, scores recorded rows and compares. What it
finds wrong is an answer; that it couldn't run at all is one too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from app.store.blobs import BlobStore

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 120.0
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Check:
    """`problem` is None where the model loads and answers as it did at its evaluation."""

    rows: int
    problem: str | None


def check_model(blobs: BlobStore, artefact: str, sample: str, timeout: float = TIMEOUT) -> Check:
    """Raises what the blob store raises; everything else is in the answer."""
    with tempfile.TemporaryDirectory(prefix="penstock-check-") as folder:
        paths = [Path(folder) / "artefact", Path(folder) / "sample.json"]
        for path, ref in zip(paths, (artefact, sample), strict=True):
            path.write_bytes(blobs.read(ref))
        return _run(paths, timeout)


def _run(paths: list[Path], timeout: float) -> Check:
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    command = [sys.executable, "-m", "app.ml.check", *map(str, paths)]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        return Check(0, f"The check took longer than {timeout:g} seconds.")
    try:
        result = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return Check(0, f"The check ended with status {done.returncode}: {last[:300]}")
    return Check(result["rows"], result["problem"])
