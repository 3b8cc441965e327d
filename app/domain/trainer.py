"""Who trains: a process of its own, which is stopped when it takes too long, too much or is
not wanted any more; in tests this process, within milliseconds.

A training that was stopped is an error in words (`Stopped`), or `Cancelled`.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from app.domain.cancelling import Cancelled
from app.errors import PenstockError
from app.ml import apart
from app.ml.training import Untrainable
from app.ml.watching import Watch

ROOT = Path(__file__).resolve().parents[2]
LOOK = 0.5
"""Seconds between two looks at the clock, the memory and whether it was cancelled."""
MEMORY_SHARE = 0.8
"""Of what the machine, or its container, has."""
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR", "VIRTUAL_ENV")


class Stopped(PenstockError):
    """The training was stopped; the message says at which limit and what to do."""


Result = tuple[bytes, dict[str, Any]]


class Trainer(Protocol):
    def __call__(
        self, file: BinaryIO, job: dict[str, Any], watch: Watch, is_cancelled: Callable[[], bool]
    ) -> Result:
        """The artefact and facts of a job. Raises `Untrainable`, `Stopped`, `Cancelled`."""


def train_here(
    file: BinaryIO, job: dict[str, Any], watch: Watch, is_cancelled: Callable[[], bool]
) -> Result:
    """In this process; cancelled between two steps."""

    def step(name: str, share: float) -> None:
        if is_cancelled():
            raise Cancelled("The run was cancelled.")
        watch(name, share)

    return apart.build(file, job, step)


@dataclass(frozen=True)
class TrainApart:
    """In a process of its own, within limits. `memory` in bytes, None: most of the machine's."""

    seconds: float
    memory: int | None = None

    def __call__(
        self, file: BinaryIO, job: dict[str, Any], watch: Watch, is_cancelled: Callable[[], bool]
    ) -> Result:
        with tempfile.TemporaryDirectory(prefix="penstock-train-") as name:
            folder = Path(name)
            with (folder / "table").open("wb") as copy:
                shutil.copyfileobj(file, copy)
            (folder / "job.json").write_text(json.dumps(job))
            self._run(folder, watch, is_cancelled)
            result = json.loads((folder / "result.json").read_bytes())
            if "problem" in result:
                raise Untrainable(result["problem"])
            return (folder / "artefact").read_bytes(), result

    def _run(self, folder: Path, watch: Watch, is_cancelled: Callable[[], bool]) -> None:
        with (folder / "errors").open("wb") as errors:
            child = subprocess.Popen(
                [sys.executable, "-m", "app.ml.apart", str(folder)],
                cwd=ROOT,
                env={name: os.environ[name] for name in _KEPT if name in os.environ},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # a signal to our group is not for it
            )
        try:
            self._follow(child, watch, is_cancelled)
            status = child.wait()
        finally:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe:
                    pipe.close()
        if status == -9:
            raise Stopped(
                "The training was killed by the system, most likely because memory ran out. Upload "
                "fewer rows or columns, or give the trainer more memory."
            )
        if not (folder / "result.json").exists():
            last = (folder / "errors").read_text(errors="replace").strip().splitlines()[-1:]
            raise Stopped(f"The training ended with status {status}: {' '.join(last)[:300]}")

    def _follow(
        self, child: subprocess.Popen[bytes], watch: Watch, is_cancelled: Callable[[], bool]
    ) -> None:
        assert child.stdout is not None
        begun = time.monotonic()
        most = self.memory or int(MEMORY_SHARE * machine_memory())
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            while True:
                if selector.select(LOOK):
                    line = child.stdout.readline()
                    if not line:
                        return
                    told = json.loads(line)
                    watch(told["step"], told["share"])
                if is_cancelled():
                    raise Cancelled("The run was cancelled.")
                if time.monotonic() - begun > self.seconds:
                    raise Stopped(
                        f"The training took longer than {self.seconds:g} seconds and was stopped. "
                        "Upload fewer rows, or raise PENSTOCK_TRAINING_SECONDS."
                    )
                if (used := resident(child.pid)) > most:
                    raise Stopped(
                        f"The training took more than {most >> 20:,} MiB of memory ({used >> 20:,} "
                        "MiB) and was stopped. Upload fewer rows or columns, or raise "
                        "PENSTOCK_TRAINING_MEMORY."
                    )


def resident(pid: int) -> int:
    """Bytes of memory that a process holds; 0 where it is gone, or the system doesn't say."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def machine_memory() -> int:
    """Bytes of the machine, or of the container that this runs in."""
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(file).read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            return min(whole, int(text))
    return whole
