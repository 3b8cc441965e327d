"""The one synthetic message that Celery's request machinery runs a lease from.

It has what `Consumer.create_task_handler` and `Request` of Celery 5.7 read,
and nothing goes over a wire: acknowledging or rejecting it frees the slot and
touches nothing in Redis. The stream is settled by the lease alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

TASK = "penstock.lease"


class LeaseMessage:
    """A message for one lease; `done` is called once, when the request has ended."""

    content_type = None
    content_encoding = None
    body = None

    def __init__(self, arguments: list[Any], shown: str, done: Callable[[str], None]):
        self.id = str(uuid4())
        self._done = done
        self.properties: dict[str, Any] = {}
        self.delivery_info: dict[str, Any] = {}
        self.headers = {
            "id": self.id,
            "task": TASK,
            "lang": "py",
            "root_id": self.id,
            "parent_id": None,
            "group": None,
            "retries": 0,
            "eta": None,
            "expires": None,
            "timelimit": [None, None],
            "argsrepr": shown,
            "kwargsrepr": "{}",
            "origin": "penstock",
            "ignore_result": True,
        }
        # Decoded already, so that nothing is parsed.
        self.payload: dict[str, Any] = {**self.headers, "args": arguments, "kwargs": {}}

    def ack_log_error(self, *_: Any, **__: Any) -> None:
        self._done(self.id)

    reject_log_error = ack_log_error
