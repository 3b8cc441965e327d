"""A projection as it was: a worker builds its rows in temporary tables, and compares them with the live ones.

One question is answered at a time (per partition of `command`), in `SECONDS` at most.
"""

from __future__ import annotations

from typing import Any

from app.cqrs.as_of.asking import AsOf, Told
from app.cqrs.as_of.bounded import SECONDS, Bound
from app.cqrs.as_of.comparing import compared
from app.cqrs.as_of.rows import built_as_of, moment
from app.cqrs.declaration import is_ours
from app.cqrs.events import ProjectionAsked
from app.errors import Refused
from app.events.topics import PROJECTION_ASKED
from app.store.moments import iso, seconds


class ProjectionsAsOf(AsOf):
    """`platform.projections_as_of`; `answer` is what `app.cqrs.as_of.comparing.compared` tells."""

    kind = named = "projection"
    by = "position"
    asked_by, question = PROJECTION_ASKED, ProjectionAsked

    def ask(self, name: str, actor: str, position: int | None = None, at: Any = None) -> str:
        """Have a worker build its rows as of a position, or a time; the id to ask `answer` for.

        Raises `NotFound`, `Refused` for what has no rows or is no moment, and `Unavailable`.
        """
        until = self._until(name, position, at)
        return self._ask(
            ProjectionAsked(projection=name, position=until, at=seconds(at), actor=actor)
        )

    def _until(self, name: str, position: int | None, at: Any) -> int:
        told = self.platform.projections.get(name)
        if is_ours(name):
            raise Refused(
                f"{name} belongs to the console. A run as it was: GET /api/v1/runs/ID?at=2h, or its page."
            )
        if told["kind"] != "projection":
            raise Refused(f"{name} is a reactor: it has no rows.")
        return moment(self.platform, position, at)

    def _moment(self, question: ProjectionAsked) -> Told:
        return {"position": question.position, "at": iso(question.at)}

    def _found(self, id: str, question: ProjectionAsked) -> Told:
        name, until = question.projection, question.position

        def passed(at: int) -> str:
            ask = f"python -m app projections as-of {name} --position {until}"
            return (
                f"{name} as of the position {until} is not built and compared within {SECONDS:.0f} s: a "
                f"worker came to {max(0, at):,}. The command line takes its time, where the handlers' "
                f"code is: {ask} > rows.jsonl"
            )

        def tell(at: int) -> None:
            self._keep(id, question, "working", progress=min(1.0, at / until) if until else 1.0)

        tell(0)
        bound = Bound(self.platform.clock, SECONDS, passed, tell)
        with bound.explained(), built_as_of(self.platform, name, until, bound) as past:
            return compared(self.platform, past)
