"""Where `bench console` has its filled database: in a folder that is gone afterwards, or one that is kept.

A kept folder is filled once and measured many times, in runs of their own (`--part`). It says in
`filled.json` what is in it and since when: figures of the last hour are fewer the older it is.
Nothing is ever written into a database that holds somebody's events.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from app.bench.console_data import fill, streams
from app.bench.console_story import Sizes, Story
from app.bench.machine import Machine
from app.embedded.postgres import running_postgres
from app.errors import Refused

VISITOR, PASSWORD = "bench", "a password for the benchmark"


@dataclass(frozen=True)
class Filled:
    """A machine over a full database, and what is in there."""

    machine: Machine
    story: Story
    seconds: float
    """How long it took to fill."""


@contextmanager
def filled(
    kind: str,
    sizes: Sizes,
    tell: Callable[[str], None],
    *,
    keep: Path | None = None,
    url: str | None = None,
    anew: bool = True,
) -> Iterator[Filled]:
    """A full database of this kind for the length of a block: filled now (`anew`), or found in `keep`.

    On SQLite, on a PostgreSQL of its own, or on the one at `url`. Raises `Refused`.
    """
    with ExitStack() as stack:
        folder = keep / kind if keep else None
        if folder is None:
            folder = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="penstock-bench-"))
            )
        folder.mkdir(parents=True, exist_ok=True)
        note = folder / "filled.json"
        if not anew and not note.exists():
            raise Refused(f"There is nothing in {folder}: fill it first, with --part fill.")
        if kind == "postgresql" and url is None:
            data = folder / "postgresql" if keep else None
            server = stack.enter_context(running_postgres(durable=True, keep=data))
            url = server.format(name="postgres")
        machine = Machine(folder, None, url)
        stack.callback(machine.close)
        if anew:
            _refuse_to_mix(machine, folder)
            story = Story(sizes, time.time())
            taken = fill(machine.platform, story, tell)
            machine.platform.users.create(VISITOR, PASSWORD, "administrator")
            note.write_text(json.dumps({"sizes": asdict(sizes), "now": story.now, "took": taken}))
        else:
            noted = json.loads(note.read_text())
            story, taken = Story(Sizes(**noted["sizes"]), noted["now"]), noted["took"]
        streams(machine.platform, story)
        yield Filled(machine, story, taken)


def _refuse_to_mix(machine: Machine, folder: Path) -> None:
    platform = machine.platform
    if platform.users.find() or platform.archive.newest() is not None:
        raise Refused(
            f"{platform.database.name} holds something already: fill an empty database. "
            f"What an earlier run kept is in {folder}; remove that folder to fill it anew."
        )
