"""Subscriptions as SQL holds them: what the code says, and what an operator changed.

`declare` writes the first and keeps the second, so a change survives deploys.
Fails nothing over to Redis: who changes something here announces it there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlmodel import Field, Session, SQLModel, select

from app.clock import Clock, SystemClock
from app.errors import Conflict, NotFound, Refused
from app.store.bulk import Bulk
from app.store.columns import JsonText, Key, LongText, Moment
from app.store.database import Database
from app.store.moments import iso

DECLARED = (
    "types", "topics", "emits", "lane", "filter", "retry", "timeout", "batch", "linger",
    "ordered", "start", "priority", "effects", "module", "doc", "webhook",
)  # fmt: skip
CHANGEABLE = (
    "lane",
    "filter",
    "retry",
    "timeout",
    "batch",
    "linger",
    "concurrency",
    "rate",
    "priority",
)


Revision = tuple[Any, ...]
_REVISION = "SELECT COUNT(*), SUM(revision), SUM(changed), SUM(created) FROM subscriptions"
"""One that was deleted while another was made shows in the times."""


class SubscriptionRow(SQLModel, table=True):
    __tablename__ = "subscriptions"

    name: str = Field(primary_key=True, sa_type=Key)
    active: bool = True
    code: dict[str, Any] = Field(sa_type=JsonText)
    overrides: dict[str, Any] = Field(sa_type=JsonText)
    paused_by: str | None = Field(default=None, sa_type=Key)
    paused_at: float | None = Field(default=None, sa_type=Moment)
    paused_reason: str | None = Field(default=None, sa_type=LongText)
    created: float = Field(sa_type=Moment)
    changed: float = Field(sa_type=Moment)
    changed_by: str = Field(sa_type=Key)
    revision: int = 1


class SubscriptionStore:
    def __init__(self, database: Database, clock: Clock | None = None):
        self._database = database
        self._clock = clock or SystemClock()
        self._kept: tuple[Revision, list[dict[str, Any]]] | None = None

    def declare(self, declarations: Iterable[Mapping[str, Any]], by: str = "code") -> list[str]:
        """Write what the code says; the names of those that are new or differ from before.

        Each is a mapping with `name` and the fields of DECLARED. A retired one is active again.
        """
        changed = []
        with self._database.session() as session:
            Bulk(session).lock(LOCK)
            for declaration in sorted(declarations, key=lambda each: each["name"]):
                code = {field: _plain(declaration.get(field)) for field in DECLARED}
                row = session.get(SubscriptionRow, declaration["name"])
                if row is None:
                    now = self._clock.now()
                    row = SubscriptionRow(
                        name=declaration["name"], code=code, overrides={},
                        created=now, changed=now, changed_by=by,
                    )  # fmt: skip
                    session.add(row)
                elif row.code != code or not row.active:
                    row.code, row.active = code, True
                    # What the code now says itself is no change any more.
                    kept = {k: v for k, v in row.overrides.items() if code.get(k, _NOTHING) != v}
                    row.overrides = kept
                    self._touch(session, row, by)
                else:
                    continue
                changed.append(row.name)
        return changed

    def retire(self, names: Iterable[str], actor: str = "code") -> list[str]:
        """Mark as not declared by anyone any more; what an operator changed is kept."""
        retired = []
        with self._database.session() as session:
            for name in sorted(set(names)):
                row = session.get(SubscriptionRow, name, with_for_update=True)
                if row and row.active:
                    row.active = False
                    self._touch(session, row, actor)
                    retired.append(name)
        return retired

    def all(self, active_only: bool = False) -> list[dict[str, Any]]:
        """Every subscription, by name.

        A worker's chores ask many times a minute: the rows are read again only where one has changed.
        """
        rows = self._read() if self._database.is_together else self._known()
        return [dict(row) for row in rows if row["active"] or not active_only]

    def _known(self) -> list[dict[str, Any]]:
        revision = self.revision()  # before the rows: those may be newer than it, and never older
        if self._kept is None or self._kept[0] != revision:
            self._kept = revision, self._read()
        return self._kept[1]

    def _read(self) -> list[dict[str, Any]]:
        # As plain rows: objects would cost more.
        query = select(*SubscriptionRow.__table__.columns).order_by(SubscriptionRow.name)  # type: ignore[attr-defined]
        with self._database.read() as session:
            return [show(row) for row in session.exec(query)]

    def get(self, name: str) -> dict[str, Any]:
        """One subscription. Raises `NotFound`."""
        with self._database.read() as session:
            return show(self._row(session, name, lock=False))

    def revision(self) -> Revision:
        """Something that differs after any change: cheap to ask for often."""
        (found,) = self._database.glance(_REVISION)
        return tuple(found)

    def override(self, name: str, field: str, value: Any, actor: str) -> dict[str, Any]:
        """Change what the code says of a field; setting the code's own value undoes the change."""
        return self.update(name, {field: value}, actor)

    def update(self, name: str, changes: Mapping[str, Any], actor: str) -> dict[str, Any]:
        """Change several fields at once. Raises `Refused` for one that only the code decides."""
        for field in changes:
            if field not in CHANGEABLE:
                raise Refused(
                    f"{field} is decided by the code and can't be changed here; "
                    f"{', '.join(CHANGEABLE)} can."
                )
        with self._database.session() as session:
            row = self._row(session, name)
            overrides = dict(row.overrides)
            for field, value in changes.items():
                overrides[field] = _plain(value)
                if overrides[field] == row.code.get(field):
                    del overrides[field]
            row.overrides = overrides
            return self._touch(session, row, actor)

    def restore(self, name: str, field: str, actor: str) -> dict[str, Any]:
        """Undo an operator's change: the code's value counts again."""
        with self._database.session() as session:
            row = self._row(session, name)
            row.overrides = {k: v for k, v in row.overrides.items() if k != field}
            return self._touch(session, row, actor)

    def pause(self, name: str, actor: str, reason: str = "") -> dict[str, Any]:
        """Shut the gate. Raises `Conflict` where it is shut."""
        with self._database.session() as session:
            row = self._row(session, name)
            if row.paused_by is not None:
                raise Conflict(f"{name} is paused already, by {row.paused_by}.")
            row.paused_by, row.paused_at, row.paused_reason = actor, self._clock.now(), reason
            return self._touch(session, row, actor)

    def resume(self, name: str, actor: str) -> dict[str, Any]:
        """Open the gate. Raises `Conflict` where it is open."""
        with self._database.session() as session:
            row = self._row(session, name)
            if row.paused_by is None:
                raise Conflict(f"{name} is not paused.")
            row.paused_by = row.paused_at = row.paused_reason = None
            return self._touch(session, row, actor)

    def delete(self, name: str) -> None:
        """Forget a retired subscription. Raises `Conflict` where it is active."""
        with self._database.session() as session:
            row = self._row(session, name)
            if row.active:
                raise Conflict(f"{name} is declared by running code: remove it there first.")
            session.delete(row)

    def _row(self, session: Session, name: str, lock: bool = True) -> SubscriptionRow:
        row = session.get(SubscriptionRow, name, with_for_update=lock or None)
        if row is None:
            raise NotFound(
                f"There is no subscription {name!r}: `python -m app subscriptions list` shows them."
            )
        return row

    def _touch(self, session: Session, row: SubscriptionRow, by: str) -> dict[str, Any]:
        row.changed, row.changed_by, row.revision = self._clock.now(), by, row.revision + 1
        session.add(row)
        return show(row)


LOCK = 0x70656E01
_NOTHING = object()
_UNSET = {"concurrency": None, "rate": None, **dict.fromkeys(DECLARED)}


def show(row: Any) -> dict[str, Any]:
    """The subscription as it counts now: fields at the top, the code's beside those that differ."""
    paused = None
    if row.paused_by is not None:
        paused = {"by": row.paused_by, "at": iso(row.paused_at), "reason": row.paused_reason or ""}
    return {
        **_UNSET,
        **row.code,
        **row.overrides,
        "name": row.name,
        "active": row.active,
        "paused": paused,
        "changed": {
            field: {"code": row.code.get(field), "now": value}
            for field, value in row.overrides.items()
        },
        "created": iso(row.created),
        "updated": iso(row.changed),
        "updated_by": row.changed_by,
        "revision": row.revision,
    }


def _plain(value: Any) -> Any:
    """As JSON gives it back, so that what is compared is what is stored."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value) if isinstance(value, set | frozenset) else value
        return [_plain(item) for item in items]
    return value
