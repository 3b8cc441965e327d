"""Fakes of the small parts: workers, schemas, changes, blobs."""

from __future__ import annotations

import copy
import io
import queue
import threading
from collections.abc import Iterator
from typing import ClassVar

from app.errors import Conflict, NotFound
from tests.web.fake_time import NOW, Json


class FakeWorkers:
    def __init__(self) -> None:
        self.stopped: set[str] = set()

    def get(self, id: str) -> Json:
        for worker in self.list():
            if worker["id"] == id:
                return worker | {"stopping": id in self.stopped}
        raise NotFound(f"There is no worker {id!r}.")

    def stop(self, id: str, actor: str, reason: str = "") -> None:
        if self.get(id)["stopping"]:
            raise Conflict(f"The worker {id} was told to stop already.")
        self.stopped.add(id)

    def list(self) -> list[Json]:
        return [
            {
                "id": "pc-4711-ab12",
                "host": "pc",
                "pid": 4711,
                "pool": "prefork",
                "concurrency": 2,
                "lanes": ["default", "inference", "system"],
                "started": NOW - 7200,
                "beat": NOW - 1,
                "alive": True,
                "count": 7200,
                "slots": [
                    {
                        "subscription": "shop.handlers.charge",
                        "event": "order.placed",
                        "since": NOW - 3,
                    },
                    {"subscription": "workers.handlers.archive", "event": None, "since": NOW - 0.2},
                ],
            },
            {
                "id": "pc-4712-cd34",
                "host": "pc",
                "pid": 4712,
                "pool": "prefork",
                "concurrency": 1,
                "lanes": ["training"],
                "started": NOW - 7200,
                "beat": NOW - 2,
                "alive": True,
                "count": 7200,
                "slots": [
                    {
                        "subscription": "workers.handlers.train",
                        "event": "dataset.validated",
                        "since": NOW - 19,
                    }
                ],
            },
        ]


class FakeSchemas:
    _rows: ClassVar = [
        {
            "type": "order.placed",
            "version": 1,
            "topic": "order",
            "tracking": "run",
            "doc": "",
            "schema": {
                "type": "object",
                "required": ["amount"],
                "properties": {"amount": {"type": "number"}},
            },
        },
        {
            "type": "dataset.uploaded",
            "version": 1,
            "topic": "dataset",
            "tracking": "run",
            "doc": "Someone gave us a table.",
            "schema": {"type": "object", "required": ["dataset"]},
        },
    ]

    def all(self) -> list[Json]:
        return copy.deepcopy(self._rows)

    def get(self, type: str) -> Json | None:
        return next((copy.deepcopy(r) for r in self._rows if r["type"] == type), None)


class FakeChanges:
    """Hints that something on a page has changed; `listen` yields names, or none as a heartbeat."""

    def __init__(self) -> None:
        self._listeners: list[queue.Queue[str]] = []
        self._lock = threading.Lock()

    def announce(self, *what: str) -> None:
        with self._lock:
            for listener in self._listeners:
                listener.put(" ".join(what))

    def listen(self, heartbeat: float = 0.2) -> Iterator[list[str]]:
        mine: queue.Queue[str] = queue.Queue()
        with self._lock:
            self._listeners.append(mine)
        try:
            while True:
                try:
                    yield mine.get(timeout=heartbeat).split()
                except queue.Empty:
                    yield []
        finally:
            with self._lock:
                self._listeners.remove(mine)


class FakeBlobs:
    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}

    def read(self, ref: str) -> bytes:
        return self.stored[ref]

    def open(self, ref: str) -> io.BytesIO:
        return io.BytesIO(self.stored[ref])
