"""An author's aggregate as it was: its fields, and why each is so; a worker replays its stream.

The web process has no author's code, so it knows the events of such a stream and nothing of its fields.
"""

from __future__ import annotations

from typing import Any

from app.cqrs.as_of.asking import AsOf, Told
from app.cqrs.as_of.bounded import SECONDS, Bound, TookTooLong
from app.cqrs.events import AggregateAsked
from app.errors import Refused, Unavailable
from app.events.topics import AGGREGATE_ASKED


class AggregatesAsOf(AsOf):
    """`platform.aggregates_as_of`.

    `answer` is what `platform.past.with_step` tells; `known` is false where the worker has no such class.
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
        stream, version = question.stream, question.version

        def passed(at: int) -> str:
            ask = f"python -m app aggregates show {stream} --version {version}"
            return (
                f"{stream} at version {version} is not replayed within {SECONDS:.0f} s: a worker came to "
                f"{at:,}. The command line takes its time, where the handlers' code is: {ask}"
            )

        def tell(at: int) -> None:
            self._keep(id, question, "working", progress=min(1.0, at / version))

        bound = Bound(self.platform.clock, SECONDS, passed, tell)
        try:
            return dict(self.platform.past.with_step(stream, version, bound.check))
        except (Unavailable, TookTooLong):
            raise
        except Exception as error:  # whatever the author's code raises
            raise Refused(
                f"The code of {stream} fails on its events: {type(error).__name__}: {error}"
            ) from error
