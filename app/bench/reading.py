"""`bench reading`: a large table is judged and made a matrix, in memory that doesn't grow with it.

A table of made-up rows is written in the size wanted and in a quarter of it.
Each is read in a process of its own, whose peak of memory is what the system
says. The reference is a bare loop of `csv.reader` over the same file.
"""

from __future__ import annotations

import csv
import gzip
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Literal, cast

HEADER = "row,age,income,city,plan,since,score,comment,churned\n"
TARGET = "churned"
MOST_JUDGING = 256
"""Megabytes: libraries 50, hashes of rows 64, samples and distinct values the rest."""
TAILS = 20_000
LINES = 10_000
KINDS = ("csv", "gzip", "parquet")
Kind = Literal["csv", "gzip", "parquet"]


def run(megabytes: int, kind: Kind, tell: Callable[[str], None]) -> dict[str, Any]:
    """Seconds and the peak of memory, of the whole table and of a quarter of it."""
    with tempfile.TemporaryDirectory(prefix="penstock-reading-") as name:
        folder = Path(name)
        found: dict[int, dict[str, Any]] = {}
        for size in (max(1, megabytes // 4), megabytes):
            plain = folder / f"{size}.csv"
            rows = write(plain, size << 20)
            tell(f"{size:,} MB of text, {rows:,} rows")
            reference = _measured("loop", plain)
            file = _packed(plain, kind)
            found[size] = {"rows": rows, "reference": reference}
            for step in ("judge", "train on"):
                found[size][step] = _measured(step, file)
                tell(f"  {step}: {found[size][step]}")
            plain.unlink()
            file.unlink(missing_ok=True)
    small, large = found.values()
    return {
        "benchmark": f"reading, {megabytes:,} MB of text as {kind}",
        "rows": large["rows"],
        "a quarter of it": small,
        "all of it": large,
        "judge, to the loop (times the work of a core)": round(
            large["judge"]["of a core"] / max(0.01, large["reference"]["of a core"]), 1
        ),
        "judge, peak of all to a quarter": round(
            large["judge"]["peak (MB)"] / small["judge"]["peak (MB)"], 2
        ),
        "goal": f"judged in no more than {MOST_JUDGING} MB, whatever the size",
    }


def write(path: Path, size: int) -> int:
    """Rows of made-up customers, until there are so many bytes; how many rows."""
    chance = random.Random(20260101)
    tails = [_tail(chance) for _ in range(TAILS)]
    rows = written = 0
    with path.open("w", encoding="utf-8") as file:
        file.write(HEADER)
        while written < size:
            block = "".join(
                f"{rows + i},{tail}" for i, tail in enumerate(chance.choices(tails, k=LINES))
            )
            file.write(block)
            rows, written = rows + LINES, written + len(block)
    return rows


def _tail(chance: random.Random) -> str:
    age, income = chance.randrange(18, 90), chance.lognormvariate(10, 0.5)
    city = chance.choice(["Rome", "Oslo", "Bonn", "Lyon", "?"])
    plan = chance.choice(["free", "pro", "team"])
    day = f"20{chance.randrange(10, 26)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"
    score = chance.gauss(0, 1)
    leaves = score + (age < 30) - (plan == "team") + chance.gauss(0, 1) > 0.5
    words = " ".join(chance.choices(["slow", "fine", '""good""', "late, again", "ok"], k=4))
    return f'{age},{income:.2f},{city},{plan},{day},{score:.6f},"{words}",{"yes" if leaves else "no"}\n'


def _packed(plain: Path, kind: Kind) -> Path:
    if kind == "csv":
        return plain
    packed = plain.with_suffix(f".{kind}")
    if kind == "gzip":
        with plain.open("rb") as source, gzip.open(packed, "wb", 1) as out:
            while piece := source.read(1 << 20):
                out.write(piece)
    else:
        from pyarrow import csv as reader
        from pyarrow import parquet

        with reader.open_csv(plain) as batches, parquet.ParquetWriter(packed, batches.schema) as to:
            for batch in batches:
                to.write_batch(batch)
    return packed


def _measured(step: str, file: Path) -> dict[str, Any]:
    """What a process of its own says of one step."""
    command = [sys.executable, "-m", "app.bench.reading", step, str(file)]
    done = subprocess.run(command, check=True, capture_output=True)
    return cast("dict[str, Any]", json.loads(done.stdout))


def _loop(file: IO[bytes]) -> None:
    for _ in csv.reader(open(file.fileno(), encoding="utf-8", newline="", closefd=False)):  # noqa: SIM115
        pass


def _judge(file: IO[bytes]) -> Any:
    from app.ml.validation import validate

    report = validate(cast("Any", file), TARGET)
    assert report.accepted, report.reasons
    return report


def _train_on(file: IO[bytes]) -> Callable[[], None]:
    """Judged first, as the pipeline does; then what a training reads, which is counted."""
    from app.ml import matrix
    from app.ml.reading import Table

    report = _judge(file)
    table = Table(cast("Any", file), report.dialect)
    return lambda: cast("None", matrix.read(table, report.schema, expected_rows=report.rows))


def peak() -> int:
    """Megabytes that this process held at most."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) >> 10
    raise RuntimeError("This system doesn't say how much memory a process held.")


def main(step: str, path: str) -> None:
    with open(path, "rb") as file:
        work: Callable[[], Any]
        if step == "train on":
            work = _train_on(file)
        else:
            work = (lambda: _judge(file)) if step == "judge" else (lambda: _loop(file))
        begun, used = time.monotonic(), time.process_time()
        work()
        seconds, cpu = time.monotonic() - begun, time.process_time() - used
    figures = {"seconds": round(seconds, 2), "of a core": round(cpu, 2), "peak (MB)": peak()}
    sys.stdout.write(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
