"""The rebuild of the console's rows that an operator asked for, a part at a time between the followers' batches.

The wish is a row beside those of the followers (`kind` is `console`), so that every process can ask
for it and see how far it is. Who follows carries it out; when it dies, the next one begins again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import structlog
from sqlmodel import Session

from app.errors import Conflict, PenstockError, Refused
from app.store import followers
from app.store.followers import BUILDING, LIVE, FollowerRow
from app.store.projection.rebuilding import Rebuilding
from app.streams.client import LOST

RUNS, CONSOLE, BUILD = "runs", "console", 1
WHOLE = 1000
"""What `position` counts to."""

log = structlog.get_logger(__name__)


def ask(session: Session, now: float) -> None:
    """Have it done. Raises `Conflict` where it is under way."""
    row = followers.locked(session, RUNS, BUILD)
    if row is None:
        followers.begin(session, RUNS, BUILD, CONSOLE, 1, BUILDING, [], now)
        return
    if row.state == BUILDING and not row.problem:
        raise Conflict(f"{RUNS} is being rebuilt already.")
    row.state, row.position, row.problem, row.updated = BUILDING, 0, None, now
    session.add(row)


class OwnRebuild:
    """In the process that follows."""

    def __init__(self, platform: Any):
        self.platform = platform
        self._steps: Iterator[float] | None = None
        self._told = 0

    @property
    def is_under_way(self) -> bool:
        return self._steps is not None

    def step(self) -> int:
        """The next part of a rebuild that is wanted; 0 where none is."""
        with self.platform.database.read() as session:
            row = session.get(FollowerRow, (RUNS, BUILD))
        if row is None or row.state != BUILDING or row.problem:
            self.close()
            return 0
        try:
            if self._steps is None:
                self._steps, self._told = self._begun(), -1
            position = int(next(self._steps) * WHOLE)
            if position != self._told:
                self._told = position
                self._tell(position=position)
        except StopIteration:
            self._steps = None
            self._tell(state=LIVE, position=WHOLE)
            self.platform.changes.announce("runs")
            log.info("the console's rows were built anew")
        except Refused as refused:
            self.close()
            self._tell(problem=str(refused))
        except (*LOST, PenstockError):
            self.close()  # from the beginning, when it is there again
            raise
        except Exception as error:
            self.close()
            self._tell(problem=f"{type(error).__name__}: {error}")
            log.exception("the console's rows can't be built anew")
        return 1

    def close(self) -> None:
        """Give up what is under way: its temporary tables are gone."""
        steps, self._steps = self._steps, None
        if steps is not None:
            steps.close()  # type: ignore[attr-defined]

    def _begun(self) -> Iterator[float]:
        one = self.platform
        return Rebuilding(one.database, one.archive, one.archive_database, one.clock).steps()

    def _tell(self, **values: Any) -> None:
        with self.platform.database.session() as session:
            row = followers.locked(session, RUNS, BUILD)
            if row is not None:
                for name, value in {**values, "updated": self.platform.clock.now()}.items():
                    setattr(row, name, value)
                session.add(row)
