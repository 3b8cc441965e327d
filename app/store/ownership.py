"""Who does what only one may do at a time: a row with a term and a fence.

The term lets another take over when an owner is gone; it leans on clocks, so
for a moment two may believe that it is theirs. The fence makes that harmless:
it rises with every change of owner, and every write that only the owner may
make checks it in the same transaction.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlmodel import Field, Session, SQLModel, col, select

from app.clock import Clock
from app.store import frozen
from app.store.columns import Key, Moment, Serial, key
from app.store.database import Database

TERM = 5.0
"""Seconds after which another takes over from one that is gone without a word."""
SKEW = 60.0
"""Seconds by which clocks may differ: a term that ends later was given before a clock was set back."""


class Fenced(Exception):
    """Another owner has taken over: nothing of this transaction may hold."""


class OwnerRow(SQLModel, table=True):
    """`position` is how far the owners have come, where what they do goes along a log."""

    __tablename__ = "owners"

    what: str = Field(primary_key=True, sa_type=Key)
    owner: str = Field(sa_type=Key)
    fence: int = Field(sa_type=Serial)
    until: float = Field(sa_type=Moment)
    position: int = Field(default=0, sa_type=Serial)


def claim(session: Session, what: str, owner: str, now: float, term: float) -> int | None:
    """Become or stay the owner for `term` seconds; the fence, or None where another one is."""
    frozen.bound(session)
    session.execute(
        text(
            "INSERT INTO owners (what, owner, fence, until, position) VALUES (:what, '', 0, 0, 0)"
            " ON CONFLICT (what) DO NOTHING"
        ),
        {"what": key(what)},
    )
    row = session.exec(
        select(OwnerRow).where(col(OwnerRow.what) == key(what)).with_for_update()
    ).one()
    if row.owner != owner:
        if _lasts(row, now):
            return None
        row.owner, row.fence = owner, row.fence + 1
    row.until = now + term
    session.add(row)
    return row.fence


def is_taken(session: Session, what: str, owner: str, now: float) -> bool:
    """Whether somebody else is the owner now; a look that blocks nobody."""
    row = session.get(OwnerRow, key(what))
    return row is not None and row.owner != owner and _lasts(row, now)


def _lasts(row: OwnerRow, now: float) -> bool:
    return now < row.until <= now + TERM + SKEW


def holding(session: Session, what: str, fence: int) -> OwnerRow:
    """The row, locked until the transaction ends. Raises `Fenced` where the fence is another's."""
    frozen.bound(session)
    query = select(OwnerRow).where(col(OwnerRow.what) == key(what)).with_for_update()
    row = session.exec(query).first()
    if row is None or row.fence != fence:
        raise Fenced(f"{what} has another owner")
    return row


class Claim:
    """One process's claim to be the owner: renewed three times a term, and while another is, every call looks again.

    `owner` is a name that no other has; `fence` is None while it isn't this one.
    """

    def __init__(self, database: Database, clock: Clock, what: str, owner: str):
        self.fence: int | None = None
        self._database = database
        self._clock = clock
        self._named = (what, owner)
        self._renewed = float("-inf")

    def holds(self) -> bool:
        """Whether it is this process's, now or from now on."""
        now = self._clock.now()
        if self.fence is not None and 0 <= now - self._renewed < TERM / 3:
            return True
        with self._database.read() as session:
            taken = is_taken(session, *self._named, now)
        self.fence = None
        if not taken:
            with self._database.session() as session:
                self.fence = claim(session, *self._named, now, TERM)
        self._renewed = now
        return self.fence is not None

    def give_up(self) -> None:
        """Let another one begin at once."""
        if self.fence is not None:
            with self._database.session() as session:
                release(session, self._named[0], self.fence)
            self.fence = None


def release(session: Session, what: str, fence: int) -> None:
    """Let the next one begin at once."""
    session.execute(
        text("UPDATE owners SET until = 0 WHERE what = :what AND fence = :fence"),
        {"what": key(what), "fence": fence},
    )
