"""Asking a worker how a projection was: for the console and the API, whose process has no author's code.

`ask` publishes `projection.asked`; the subscription `penstock.as-of` builds the rows in temporary
tables, compares them with the live ones, and keeps the answer in Redis for an hour: it may hold people's
data, so neither the archive nor SQL gets it. It changes nothing, so a worker that dies is no loss: another
begins again. One question is answered at a time (per partition of `command`), in `SECONDS` at most.
"""

from __future__ import annotations

from typing import Any

from app.clock import instant
from app.cqrs import refusals
from app.cqrs.as_of import built_as_of, moment
from app.cqrs.bounded import Bound
from app.cqrs.comparing import compared
from app.cqrs.declaration import is_ours
from app.cqrs.events import ProjectionAsked
from app.cqrs.kept import Kept, Told
from app.errors import PenstockError, Refused
from app.events.catalogue import plain_data
from app.events.event import Event
from app.events.ids import uuid7
from app.events.topics import PROJECTION_ASKED
from app.store.moments import iso, seconds

SOURCE = "/projections"
SECONDS = 60.0
"""For which a worker builds and compares."""


class Looking(Kept):
    """What `platform.projections` knows of the past.

    An answer is `{"id", "projection", "actor", "asked": {"position", "at"}, "state", "progress", "answer", "problem"}`:
    `state` is waiting, working, done or refused; `answer` is what `app.cqrs.comparing.compared` tells,
    `problem` is `{"kind", "detail"}`.
    """

    def ask(self, name: str, actor: str, position: int | None = None, at: Any = None) -> str:
        """Have a worker build its rows as of a position, or a time; the id to ask `answer` for.

        Raises `NotFound`, `Refused` for what has no rows or is no moment, and `Unavailable`.
        """
        until = self._moment(name, position, at)
        id, now = uuid7(), self.platform.clock.now()
        asked = ProjectionAsked(projection=name, position=until, at=seconds(at), actor=actor)
        self._keep(id, asked, "waiting")
        event = Event(type=PROJECTION_ASKED, id=id, source=SOURCE, subject=name, partitionkey=name,
                      data=asked.model_dump(), time=instant(now))  # fmt: skip
        with self.platform.audit.changing(
            actor, "projection.asked", f"projection:{name}"
        ) as change:
            change.after = {"position": until, "at": iso(asked.at)}
            self.platform.publisher.publish([event], ours=True)
        return id

    def look(self, event: Event) -> None:
        """What a `projection.asked` asks for; in a worker, outside of any transaction."""
        asked, id = ProjectionAsked.model_validate(plain_data(event.data)), event.id
        name, until = asked.projection, asked.position

        def passed(at: int) -> str:
            ask = f"python -m app projections as-of {name} --position {until}"
            return (
                f"{name} as of the position {until} is not built and compared within {SECONDS:.0f} s: a "
                f"worker came to {max(0, at):,}. The command line takes its time, where the handlers' "
                f"code is: {ask} > rows.jsonl"
            )

        def tell(at: int) -> None:
            self._keep(id, asked, "working", progress=min(1.0, at / until) if until else 1.0)

        tell(0)
        bound = Bound(self.platform.clock, SECONDS, passed, tell)
        try:
            with bound.explained(), built_as_of(self.platform, name, until, bound) as past:
                told = compared(self.platform, past)
        except PenstockError as error:
            problem = refusals.told(error)
            if problem is None:
                raise
            self._keep(id, asked, "refused", problem=problem)
        else:
            self._keep(id, asked, "done", progress=1.0, answer=told)

    def _moment(self, name: str, position: int | None, at: Any) -> int:
        told = self.platform.projections.get(name)
        if is_ours(name):
            raise Refused(
                f"{name} belongs to the console. A run as it was: GET /api/v1/runs/ID?at=2h, or its page."
            )
        if told["kind"] != "projection":
            raise Refused(f"{name} is a reactor: it has no rows.")
        return moment(self.platform, position, at)

    def _keep(
        self, id: str, asked: ProjectionAsked, state: str, *, progress: float = 0.0,
        answer: Told | None = None, problem: Told | None = None,
    ) -> None:  # fmt: skip
        told = {
            "id": id, "projection": asked.projection, "actor": asked.actor,
            "asked": {"position": asked.position, "at": iso(asked.at)},
            "state": state, "progress": progress, "answer": answer, "problem": problem,
        }  # fmt: skip
        self.keep(told)
