"""Looking for what begins as somebody wrote it: the part of an id that was in a log or a mail.

An index on the column bounds the work, whatever the table's size; the last condition makes
it exact where a database sorts letters in its own way.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col

from app.store.columns import KEY_LENGTH, key

SHORTEST = 4
"""Characters of an id below which too much begins so: only the id itself is looked for."""
_LAST = chr(0x10FFFF)


def beginning(session: Session, query: Any, column: Any, prefix: str, limit: int) -> list[Any]:
    """The rows of a query whose column is this, then those that begin so, the last in order first."""
    same = list(session.exec(query.where(col(column) == key(prefix)).limit(limit)))
    # Longer texts are kept by their beginning and a hash.
    if not SHORTEST <= len(prefix) <= KEY_LENGTH - 33 or len(same) >= limit:
        return same
    prefix = key(prefix)
    begins = col(column) > prefix, col(column) <= prefix + _LAST
    exact = func.substr(column, 1, len(prefix)) == prefix
    more = query.where(*begins, exact).order_by(col(column).desc()).limit(limit - len(same))
    return same + list(session.exec(more))
