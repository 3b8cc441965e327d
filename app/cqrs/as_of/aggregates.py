"""An author's aggregate as it was: its fields, and why each is so; a worker replays its stream.

The web process has no author's code, so it knows the events of such a stream and nothing of its fields.
"""

from __future__ import annotations

from typing import Any

from app.cqrs.as_of.asking import AsOf, Told
from app.cqrs.events import AggregateAsked
from app.errors import Refused, Unavailable
from app.events.topics import AGGREGATE_ASKED


class AggregatesAsOf(AsOf):
    """`platform.aggregates_as_of`.

    `answer` is what `platform.past.get` tells, with the `step` to that version; `known` is false where
    the worker has no such class.
    """

    kind, named = "aggregate", "stream"
    by = "version"
    asked_by, question = AGGREGATE_ASKED, AggregateAsked

    def ask(self, stream: str, actor: str, version: int | None = None, at: Any = None) -> str:
        """Have a worker replay it to a version, or a time; the id to ask `answer` for.

        Raises `NotFound`, `Refused` for what is no moment, and `Unavailable`.
        """
        at_version = self.platform.past.version_at(stream, version, at)
        return self._ask(AggregateAsked(stream=stream, version=at_version, actor=actor))

    def _moment(self, question: AggregateAsked) -> Told:
        return {"version": question.version}

    def _found(self, id: str, question: AggregateAsked) -> Told:
        past = self.platform.past
        try:
            told = past.get(question.stream, version=question.version)
            return {**told, "step": past.step(question.stream, question.version)}
        except Unavailable:
            raise
        except Exception as error:  # whatever the author's code raises
            raise Refused(
                f"The code of {question.stream} fails on its events: {type(error).__name__}: {error}"
            ) from error
