"""People who sign in: local accounts with a role.

Passwords are kept as argon2id hashes; a name that doesn't exist takes as long
to refuse as a wrong password. Changing a password or a role raises the
`session_version`, which ends the sessions that were signed with the old one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, Session, SQLModel, select

from app.clock import Clock, SystemClock
from app.errors import Conflict, NotFound, Refused
from app.store.columns import Key, LongText, Moment
from app.store.database import Database
from app.store.moments import iso

Role = Literal["viewer", "operator", "administrator"]
ROLES: tuple[str, ...] = get_args(Role)
SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 1024


class UserRow(SQLModel, table=True):
    __tablename__ = "users"

    name: str = Field(primary_key=True, sa_type=Key)
    role: str = Field(sa_type=Key)
    password_hash: str = Field(sa_type=LongText)
    session_version: int = 1
    active: bool = True
    created: float = Field(sa_type=Moment)
    last_sign_in: float | None = Field(default=None, sa_type=Moment)


@dataclass(frozen=True)
class User:
    """An account as others see it."""

    name: str
    role: str
    session_version: int
    active: bool
    created: str
    last_sign_in: str | None


class Users:
    def __init__(self, database: Database, clock: Clock | None = None):
        self._database = database
        self._clock = clock or SystemClock()

    def verify(self, name: str, password: str) -> User | None:
        """The user, if the password is theirs and the account is active. Notes the sign-in."""
        with self._database.read() as session:
            row = session.get(UserRow, name)
        fits = _fits(row.password_hash if row else _nobodys_hash(), password)
        if row is None or not fits or not row.active:
            return None
        with self._database.session() as session:
            row = _row(session, name)
            row.last_sign_in = self._clock.now()
            if _hasher().check_needs_rehash(row.password_hash):
                row.password_hash = _hasher().hash(password)
            session.add(row)
        return _show(row)

    def get(self, name: str) -> User | None:
        with self._database.read() as session:
            row = session.get(UserRow, name)
        return _show(row) if row else None

    def find(self) -> list[User]:
        """Everybody, by name."""
        with self._database.read() as session:
            return [_show(row) for row in session.exec(select(UserRow).order_by(UserRow.name))]

    def create(self, name: str, password: str, role: str) -> User:
        """A new account. Raises `Conflict` (the name is taken) or `Refused`."""
        if not name or len(name) > 100 or not name.isprintable() or name != name.strip():
            raise Refused("A user's name has 1 to 100 printable characters and no space around it.")
        _check_role(role)
        row = UserRow(
            name=name, role=role, password_hash=_hash(password), created=self._clock.now()
        )
        try:
            with self._database.session() as session:
                session.add(row)
        except IntegrityError:
            raise Conflict(f"There is a user {name!r} already: choose another name.") from None
        return _show(row)

    def set_password(self, name: str, password: str) -> User:
        """A new password; ends the user's sessions."""
        hashed = _hash(password)
        with self._database.session() as session:
            row = _row(session, name)
            row.password_hash = hashed
            return _changed(session, row)

    def set_role(self, name: str, role: str) -> User:
        """Another role; ends the user's sessions. The last administrator keeps theirs."""
        _check_role(role)
        with self._database.session() as session:
            row = _row(session, name)
            if role != "administrator":
                _keep_an_administrator(session, row)
            row.role = role
            return _changed(session, row)

    def set_active(self, name: str, active: bool) -> User:
        """Let in or shut out; ends the user's sessions."""
        with self._database.session() as session:
            row = _row(session, name)
            if not active:
                _keep_an_administrator(session, row)
            row.active = active
            return _changed(session, row)

    def end_sessions(self, name: str) -> User:
        """Sign the user out everywhere."""
        with self._database.session() as session:
            return _changed(session, _row(session, name))


def _row(session: Session, name: str) -> UserRow:
    row = session.get(UserRow, name, with_for_update=True)
    if row is None:
        raise NotFound(f"There is no user {name!r}: `python -m app users list` shows all.")
    return row


def _changed(session: Session, row: UserRow) -> User:
    row.session_version += 1
    session.add(row)
    return _show(row)


def _keep_an_administrator(session: Session, row: UserRow) -> None:
    if row.role != "administrator" or not row.active:
        return
    others = select(UserRow.name).where(
        UserRow.role == "administrator", UserRow.active, UserRow.name != row.name
    )
    if session.exec(others).first() is None:
        raise Conflict(f"{row.name} is the only administrator: make somebody else one first.")


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise Refused(f"{role!r} is no role: use {', '.join(ROLES)}.")


def _hash(password: str) -> str:
    if len(password) < SHORTEST_PASSWORD:
        raise Refused(f"A password has at least {SHORTEST_PASSWORD} characters.")
    if len(password) > LONGEST_PASSWORD:
        raise Refused(f"A password has at most {LONGEST_PASSWORD} characters.")
    return _hasher().hash(password)


def _fits(hashed: str, password: str) -> bool:
    if len(password) > LONGEST_PASSWORD:
        return False
    try:
        return _hasher().verify(hashed, password)
    except (VerificationError, InvalidHashError, UnicodeEncodeError):
        return False


@lru_cache(maxsize=1)
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@lru_cache(maxsize=1)
def _nobodys_hash() -> str:
    return _hasher().hash("nobody has this password")


def _show(row: UserRow) -> User:
    return User(
        name=row.name,
        role=row.role,
        session_version=row.session_version,
        active=row.active,
        created=iso(row.created) or "",
        last_sign_in=iso(row.last_sign_in),
    )
