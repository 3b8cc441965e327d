"""Asking a worker how an aggregate of an author's was: its fields, and why each is so.

The web process has no author's code, so it knows the events of such a stream and nothing of its fields.
`ask` publishes `aggregate.asked`; the subscription `penstock.aggregates-as-of` replays the stream. Else
it is as for projections (`app.cqrs.looking`).
"""

from __future__ import annotations

from typing import Any

from app.clock import instant
from app.cqrs.events import AggregateAsked
from app.cqrs.kept import Kept, Told
from app.errors import Unavailable
from app.events.catalogue import plain_data
from app.events.event import Event
from app.events.ids import uuid7
from app.events.topics import AGGREGATE_ASKED

SOURCE = "/aggregates"


class Remembering(Kept):
    """`platform.remembering`.

    An answer is `{"id", "stream", "actor", "asked": {"version"}, "state", "answer", "problem"}`; `answer` is what
    `platform.past.get` tells, with the `step` to that version; `known` is false where the worker has no such class.
    """

    def ask(self, stream: str, actor: str, version: int | None = None, at: Any = None) -> str:
        """Have a worker replay it to a version, or a time; the id to ask `answer` for.

        Raises `NotFound`, `Refused` for what is no moment, and `Unavailable`.
        """
        at_version = self.platform.past.version_at(stream, version, at)
        id, now = uuid7(), self.platform.clock.now()
        asked = AggregateAsked(stream=stream, version=at_version, actor=actor)
        self._tell(id, asked, "waiting")
        event = Event(type=AGGREGATE_ASKED, id=id, source=SOURCE, subject=stream, partitionkey=stream,
                      data=asked.model_dump(), time=instant(now))  # fmt: skip
        with self.platform.audit.changing(
            actor, "aggregate.asked", f"aggregate:{stream}"
        ) as change:
            change.after = {"version": at_version}
            self.platform.publisher.publish([event], ours=True)
        return id

    def remember(self, event: Event) -> None:
        """What an `aggregate.asked` asks for; in a worker."""
        asked, past = AggregateAsked.model_validate(plain_data(event.data)), self.platform.past
        try:
            told = past.get(asked.stream, version=asked.version)
            step = past.step(asked.stream, asked.version)
        except Unavailable:
            raise
        except Exception as error:  # whatever the author's code raises
            detail = (
                f"The code of {asked.stream} fails on its events: {type(error).__name__}: {error}"
            )
            problem = {"kind": "refused", "detail": detail}
            self._tell(event.id, asked, "refused", problem=problem)
        else:
            self._tell(event.id, asked, "done", answer={**told, "step": step})

    def _tell(
        self, id: str, asked: AggregateAsked, state: str, *,
        answer: Told | None = None, problem: Told | None = None,
    ) -> None:  # fmt: skip
        self.keep({
            "id": id, "stream": asked.stream, "actor": asked.actor, "asked": {"version": asked.version},
            "state": state, "answer": answer, "problem": problem,
        })  # fmt: skip
