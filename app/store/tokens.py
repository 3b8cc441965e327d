"""API tokens: a random secret, shown once, with scopes and perhaps an end.

Only the secret's SHA-256 is kept (it has 256 random bits: nothing slower is
needed) and its first characters, by which its owner knows it again.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Field, SQLModel, col, select

from app.clock import Clock, SystemClock
from app.errors import NotFound, Refused
from app.store.columns import JsonText, Key, Moment
from app.store.database import Database
from app.store.moments import iso, seconds

SCOPES = ("read", "publish", "operate", "admin")
USE_NOTED_EVERY = 60.0  # seconds; else every request would be a write


class TokenRow(SQLModel, table=True):
    __tablename__ = "tokens"

    id: str = Field(primary_key=True, sa_type=Key)
    name: str = Field(sa_type=Key)
    prefix: str = Field(sa_type=Key)
    secret_hash: str = Field(unique=True, sa_type=Key)
    scopes: list[str] = Field(sa_type=JsonText)
    created: float = Field(sa_type=Moment)
    created_by: str = Field(sa_type=Key)
    expires: float | None = Field(default=None, sa_type=Moment)
    last_used: float | None = Field(default=None, sa_type=Moment)
    revoked: float | None = Field(default=None, sa_type=Moment)


@dataclass(frozen=True)
class Token:
    """A token as others see it, without its secret."""

    id: str
    name: str
    prefix: str
    scopes: list[str]
    created: str
    created_by: str
    expires: str | None
    last_used: str | None
    revoked: str | None


class Tokens:
    def __init__(self, database: Database, clock: Clock | None = None):
        self._database = database
        self._clock = clock or SystemClock()

    def verify(self, secret: str) -> Token | None:
        """The token of a secret, unless it is unknown, over or revoked. Notes the use."""
        now = self._clock.now()
        with self._database.read() as session:
            row = session.exec(
                select(TokenRow).where(TokenRow.secret_hash == _hash(secret))
            ).first()
        if row is None or row.revoked is not None or (row.expires or now + 1) <= now:
            return None
        if row.last_used is None or now - row.last_used > USE_NOTED_EVERY:
            with self._database.session() as session:
                row.last_used = now
                session.merge(row)
        return _show(row)

    def create(
        self, name: str, scopes: Sequence[str], expires: Any, actor: str
    ) -> tuple[Token, str]:
        """A new token and its secret, which is not kept. `expires` is a time or None."""
        if not name or len(name) > 100 or not name.isprintable():
            raise Refused("A token's name has 1 to 100 printable characters.")
        wrong = [scope for scope in scopes if scope not in SCOPES]
        if wrong or not scopes:
            raise Refused(
                f"A token has one scope or more of {', '.join(SCOPES)}; got {wrong or 'none'}."
            )
        end = seconds(expires)
        now = self._clock.now()
        if end is not None and end <= now:
            raise Refused("A token's end must be in the future.")
        secret = f"pst_{secrets.token_urlsafe(32)}"
        row = TokenRow(
            id=secrets.token_hex(8),
            name=name,
            prefix=secret[:10],
            secret_hash=_hash(secret),
            scopes=[scope for scope in SCOPES if scope in scopes],
            created=now,
            created_by=actor,
            expires=end,
        )
        with self._database.session() as session:
            session.add(row)
        return _show(row), secret

    def find(self) -> list[Token]:
        """All tokens, newest first."""
        with self._database.read() as session:
            newest = select(TokenRow).order_by(col(TokenRow.created).desc(), TokenRow.id)
            return [_show(row) for row in session.exec(newest)]

    def revoke(self, id: str) -> Token:
        """End a token now. Doing it twice is no error."""
        with self._database.session() as session:
            row = session.get(TokenRow, id, with_for_update=True)
            if row is None:
                raise NotFound(f"There is no token {id!r}: `python -m app tokens list` shows all.")
            row.revoked = row.revoked or self._clock.now()
            session.add(row)
        return _show(row)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _show(row: TokenRow) -> Token:
    return Token(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        scopes=row.scopes,
        created=iso(row.created) or "",
        created_by=row.created_by,
        expires=iso(row.expires),
        last_used=iso(row.last_used),
        revoked=iso(row.revoked),
    )
