"""What a projection's function writes to: rows held for a batch, and written together at its end.

A row that was added is written with all others of its table in one go, and one that was read is
looked for once. Those that the batch before looked for are likely to be wanted again, so the first
of them brings all of its table. Whoever asks for `session` gets SQLAlchemy's own ways from there to the end of the
batch: what was held is written and handed over first, so that every query finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlalchemy.orm import make_transient_to_detached
from sqlmodel import Session

from app.cqrs.shape import Shape, shape_of
from app.cqrs.tables import Twin
from app.errors import Refused
from app.store.adding import add_rows
from app.store.lent import give_back, lend

Place = tuple[Any, tuple[Any, ...]]
"""A class of this build, and a primary key."""


class View:
    """Of one batch, in its transaction: it is handed each event, and flushed at the end.

    `likely` is what the view of the batch before had `looked_for`.
    """

    def __init__(
        self, session: Session, classes: dict[Any, Any], likely: Collection[Place] = frozenset()
    ):
        self._session = session
        self._classes = classes
        self._shapes = {mapped: shape_of(mapped) for mapped in classes.values()}
        self._holds = True
        self._added = False
        self.looked_for: set[Place] = set()
        self._likely = likely
        self._ahead: dict[Place, Sequence[Any]] = {}
        """The values of rows that are likely to be wanted; no part of the session until they are."""
        self._rows: dict[Place, Any] = {}
        self._new: dict[Any, list[Any]] = {}
        self._kinds: dict[Any, list[type]] = {}
        self._touched: list[tuple[Place, Any]] = []

    @property
    def session(self) -> Session:
        """For whatever the short ways don't do."""
        if self._holds:
            self._stop_holding()
        elif self._added:
            self._session.flush()  # a row that waits to be written can't be deleted, for one
        self._added = False
        return self._session

    def model(self, table: Any) -> Any:
        """The class to use for this table in this build: the author's own, or its twin."""
        mapped = self._classes.get(table) if isinstance(table, type) else None
        if mapped is None:
            named = getattr(table, "__name__", repr(table))
            known = ", ".join(one.__name__ for one in self._classes)
            raise Refused(f"{named} is no table of this projection, which has tables=[{known}].")
        return mapped

    def get(self, table: Any, key: Any) -> Any:
        """The row with this primary key, or None."""
        mapped = self.model(table)
        if isinstance(key, dict):
            return self.session.get(mapped, key)
        place = mapped, key if isinstance(key, tuple) else (key,)
        if len(place[1]) != len(names := self._shapes[mapped].key):
            raise Refused(
                f"{table.__name__} has the key ({', '.join(names)}): give a value for each, not {len(place[1])}."
            )
        if self._holds and not self._may_hold(place):
            self._stop_holding()
        row = self._held(place) if self._holds else self._of_session(place)
        if row is not None:
            self._touched.append((place, row))
        return row

    def add(self, row: Any) -> Any:
        """Add a row, given as an object of the author's class; the row to go on with."""
        if isinstance(row, Twin):  # a rebuild; it has none of the class's start values
            raise Refused(
                "Give view.add an object of your own class, as in Sales(…): view.model is for queries."
            )
        wanted = self.model(type(row))
        made = row if wanted is type(row) else wanted(**row.model_dump())
        shape = self._shapes[wanted]
        place = wanted, shape.key_of(made)
        if self._holds and self._may_hold(place):
            self._new.setdefault(wanted, []).append(made)
        else:
            self._add_plainly(made, shape)
        if None not in place[1]:
            self._rows[place] = made
        self._touched.append((place, made))
        return made

    # For who follows

    def hand(self, function: Callable[..., Any], event: Any) -> Any:
        """Have the author's function handle an event; what it returned."""
        lend(self._session)
        try:
            returned = function(event, self)
        finally:
            give_back(self._session)
        if self._holds and self._has_moved():
            self._stop_holding()
        elif not self._holds and self._session.deleted:
            self._session.flush()  # SQLAlchemy deletes last: the next event may use such a key again
        self._touched.clear()
        return returned

    def flush(self) -> None:
        """Write what is held and what changed."""
        self._session.flush()
        self._write(hand_over=False)
        self._session.flush()

    def _add_plainly(self, row: Any, shape: Shape) -> None:
        if self._holds:
            self._stop_holding()
        elif self._added and shape.table.foreign_keys:
            self._session.flush()  # SQLAlchemy sorts by relationships, and a twin has none
        self._session.add(row)
        self._added = True

    def _stop_holding(self) -> None:
        self._holds = False
        self._ahead.clear()
        self._session.flush()
        self._write(hand_over=True)
        self._rows = {place: row for place, row in self._rows.items() if row is not None}

    def _write(self, hand_over: bool) -> None:
        """Write what is held; what the database or SQLAlchemy has to fill in goes by the session."""
        for mapped, rows in self._new.items():
            shape = self._shapes[mapped]
            whole, unnumbered = [], []
            for row in rows:
                values = shape.values_of(row)
                if values is None or (hand_over and shape.is_unnumbered(row)):
                    self._session.add(row)
                elif shape.is_unnumbered(row):
                    unnumbered.append(shape.without_number(values))
                else:
                    whole.append((row, values))
            add_rows(self._session, shape.table, shape.columns, [values for _, values in whole])
            add_rows(self._session, shape.table, shape.without_number(shape.columns), unnumbered)
            if hand_over:
                for row, _ in whole:
                    make_transient_to_detached(row)
                    self._session.add(row)
        self._new.clear()

    def _held(self, place: Place) -> Any:
        if place not in self._rows:
            self.looked_for.add(place)
            self._rows[place] = self._look_for(place)
        return self._rows[place]

    def _look_for(self, place: Place) -> Any:
        mapped, key = place
        shape = self._shapes[mapped]
        if place in self._likely:
            keys = [one for of, one in self._likely if of is mapped]
            self._likely = {one for one in self._likely if one[0] is not mapped}
            for found, values in shape.find_values(self._session, keys):
                self._ahead[mapped, found] = values
        ahead = self._ahead.pop(place, None)
        return shape.find(self._session, key) if ahead is None else shape.made(self._session, ahead)

    def _of_session(self, place: Place) -> Any:
        row = self._rows.get(place)
        if row is None or not self._is_still(row, place):
            self._session.flush()  # else SQLAlchemy finds a row that is about to be deleted
            row = self._rows[place] = self._session.get(*place)
        return row

    def _is_still(self, row: Any, place: Place) -> bool:
        """Whether the function did not delete it, or give it another key."""
        if row not in self._session or row in self._session.deleted:
            return False
        return self._shapes[place[0]].key_of(row) == place[1]

    def _has_moved(self) -> bool:
        """Whether this event gave a row another key, by which it has to be found from now on."""
        return any(self._shapes[place[0]].key_of(row) != place[1] for place, row in self._touched)

    def _may_hold(self, place: Place) -> bool:
        return (
            self._shapes[place[0]].may_be_held
            and not self._is_another_kind(place)
            and not self._has_moved()
        )

    def _is_another_kind(self, place: Place) -> bool:
        """Whether keys of this class are of several types: `5` and `"5"` may be one to the database."""
        mapped, key = place
        kinds = [type(value) for value in key]
        return self._kinds.setdefault(mapped, kinds) != kinds
