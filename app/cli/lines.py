"""Events from JSON lines: read as they come, published in batches, the bad ones named.

A batch never waits long for more lines, so that a slow pipe is published as it speaks.
"""

from __future__ import annotations

import json
import os
import select
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from app.cli.failures import explained
from app.errors import InvalidEvents, PenstockError, Unavailable
from app.events.event import Event

BATCH = 500
LINGER = 0.2  # seconds that a line waits for others
CHUNK = 1 << 16

Line = tuple[int, bytes]
Numbered = tuple[int, Event]
Send = Callable[[list[Event]], list[bool]]


@dataclass
class Counts:
    """What became of the lines; `problems` are (line number, what is wrong) not told yet."""

    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)

    def refuse(self, number: int, problem: str) -> None:
        self.refused += 1
        self.problems.append((number, problem))


def read(descriptor: int) -> Iterator[list[Line]]:
    """Batches of numbered lines, without the empty ones."""
    batch: list[Line] = []
    rest, number, began, over = b"", 0, 0.0, False
    while not over:
        waiting = max(0.0, began + LINGER - time.monotonic()) if batch else None
        if not select.select([descriptor], [], [], waiting)[0]:
            yield batch
            batch = []
            continue
        chunk = os.read(descriptor, CHUNK)
        over = not chunk
        *lines, rest = (rest + (chunk or b"\n")).split(b"\n")
        for line in lines:
            number += 1
            if line.strip():
                began = began if batch else time.monotonic()
                batch.append((number, line))
            if len(batch) == BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


def publish(send: Send, lines: Sequence[Line], counts: Counts) -> None:
    """Publish the good ones of some lines. Raises Unavailable where nothing can be published."""
    events: list[Numbered] = []
    for number, line in lines:
        try:
            events.append((number, Event.from_dict(json.loads(line, parse_constant=_refuse))))
        except InvalidEvents as error:
            counts.refuse(number, _all_of(error))
        except (ValueError, RecursionError) as error:
            counts.refuse(number, f"no JSON: {error}")
    _send(send, events, counts)


def _send(send: Send, events: Sequence[Numbered], counts: Counts) -> None:
    if not events:
        return
    try:
        new = send([event for _, event in events])
    except Unavailable:
        raise
    except InvalidEvents as error:
        bad = {problem["index"] for problem in error.problems}
        for index in sorted(bad):
            mine = [problem for problem in error.problems if problem["index"] == index]
            counts.refuse(events[index][0], _all_of(InvalidEvents(mine)))
        _send(send, [e for index, e in enumerate(events) if index not in bad], counts)
    except PenstockError as error:
        if len(events) == 1:
            counts.refuse(events[0][0], explained(error))
            return
        # It doesn't say which one: halves find it.
        middle = len(events) // 2
        _send(send, events[:middle], counts)
        _send(send, events[middle:], counts)
    else:
        counts.accepted += sum(new)
        counts.duplicates += len(new) - sum(new)


def _all_of(error: InvalidEvents) -> str:
    return "; ".join(f"{problem['field']}: {problem['problem']}" for problem in error.problems)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")
