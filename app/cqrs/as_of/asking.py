"""Asking a worker how something was: for the console and the API, whose process has no author's code.

`ask` publishes an event of the topic `command`; a subscription of our own (`answering`) finds the answer,
and keeps it in Redis for an hour: it may hold people's data, so neither the archive nor SQL gets it. It
changes nothing, so a worker that dies is no loss: another begins again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import msgspec
from pydantic import BaseModel

from app.clock import instant
from app.cqrs import refusals
from app.cqrs.looking import look_until
from app.errors import NotFound, PenstockError
from app.events.catalogue import plain_data
from app.events.event import Event
from app.events.ids import uuid7
from app.streams import keys
from app.streams.client import refusals_explained

KEPT = 3600
"""Seconds for which an answer is there."""
LOOKS = (0.01, 0.1)
"""Seconds between two looks for an answer: at first, and at most."""
DECIDED = ("done", "refused")

Told = dict[str, Any]


class AsOf(ABC):
    """Questions of one `kind`, by their ids.

    An answer is `{"id", "actor", "asked", "state", "progress", "answer", "problem"}`, and under `named`
    what it is about: `asked` is the moment, `state` is waiting, working, done or refused, `problem` is
    `{"kind", "detail"}`.
    """

    kind: ClassVar[str]
    named: ClassVar[str]
    by: ClassVar[str]
    """The number that a moment may be given by, where no time is."""
    asked_by: ClassVar[str]
    """The event type."""
    question: ClassVar[type[BaseModel]]

    def __init__(self, platform: Any):
        self.platform = platform

    @abstractmethod
    def ask(self, name: str, actor: str, number: int | None = None, at: Any = None, /) -> str:
        """Have a worker answer how `name` was then; the id to ask `answer` for."""

    @abstractmethod
    def _moment(self, question: Any) -> Told:
        """Which moment the question is about."""

    @abstractmethod
    def _found(self, id: str, question: Any) -> Told:
        """The answer, by the author's code. Raises what `app.cqrs.refusals` can tell, else it is tried again."""

    def answer(self, id: str, name: str) -> Told:
        """The question about `name` with what is known of it by now.

        Raises `NotFound`, also when an hour is over.
        """
        with refusals_explained():
            kept = self.platform.redis.get(keys.as_of(id))
        told: Told = msgspec.json.decode(kept) if kept else {}
        if told.get(self.named) == name:
            return told
        raise NotFound(
            f"There is no answer {id} about {name}. What was is kept for an hour: ask again."
        )

    def wait(self, id: str, name: str, limit: float) -> Told:
        """Its `answer` when it is done or refused, or as it is after so many seconds."""
        return look_until(
            lambda told: told["state"] in DECIDED, lambda: self.answer(id, name),
            self.platform.clock, limit, LOOKS,
        )  # fmt: skip

    def reply(self, event: Event) -> None:
        """Answer what was asked; in a worker, outside of any transaction."""
        question, id = self.question.model_validate(plain_data(event.data)), event.id
        try:
            found = self._found(id, question)
        except PenstockError as error:
            problem = refusals.told(error)
            if problem is None:
                raise
            self._keep(id, question, "refused", problem=problem)
        else:
            self._keep(id, question, "done", progress=1.0, answer=found)

    def _ask(self, question: Any) -> str:
        """Publish it, with a line in the audit log; its id."""
        id, name = uuid7(), getattr(question, self.named)
        self._keep(id, question, "waiting")
        event = Event(type=self.asked_by, id=id, source=f"/{self.kind}s", subject=name, partitionkey=name,
                      data=question.model_dump(), time=instant(self.platform.clock.now()))  # fmt: skip
        with self.platform.audit.changing(
            question.actor, f"{self.kind}.asked", f"{self.kind}:{name}"
        ) as change:
            change.after = self._moment(question)
            self.platform.publisher.publish([event], ours=True)
        return id

    def _keep(
        self, id: str, question: Any, state: str, *, progress: float = 0.0,
        answer: Told | None = None, problem: Told | None = None,
    ) -> None:  # fmt: skip
        told = {
            "id": id, self.named: getattr(question, self.named), "actor": question.actor,
            "asked": self._moment(question), "state": state, "progress": progress,
            "answer": answer, "problem": problem,
        }  # fmt: skip
        with refusals_explained():
            self.platform.redis.set(keys.as_of(id), msgspec.json.encode(told), ex=KEPT)
