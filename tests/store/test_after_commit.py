"""What is told at a commit is told once, and never of what was rolled back."""

from __future__ import annotations

from sqlalchemy import create_engine, text
from sqlmodel import Session

from app.store.after_commit import once_committed


def test_it_is_told_at_the_commit_once_and_not_for_a_rollback() -> None:
    told: list[str] = []
    engine = create_engine("sqlite://")
    with Session(engine) as session:
        session.execute(text("SELECT 1"))
        once_committed(session, "rows", lambda: told.append("rolled back"))
        session.rollback()
        session.execute(text("SELECT 1"))
        session.commit()
        assert told == []

        session.execute(text("SELECT 1"))
        for _ in range(2):
            once_committed(session, "rows", lambda: told.append("rows"))
        savepoint = session.begin_nested()
        once_committed(session, "more", lambda: told.append("more"))
        savepoint.commit()
        assert told == []
        session.begin_nested().rollback()
        session.commit()
        session.execute(text("SELECT 1"))
        session.commit()
    assert told == ["rows", "more"]
    engine.dispose()


def test_what_a_savepoint_asked_for_goes_with_it() -> None:
    told: list[str] = []
    engine = create_engine("sqlite://")
    with Session(engine) as session:
        session.execute(text("SELECT 1"))
        for what in ("both", "outer"):
            once_committed(session, what, lambda what=what: told.append(what))
        savepoint = session.begin_nested()
        for what in ("both", "lost"):
            once_committed(session, what, lambda what=what: told.append(what))
        with session.begin_nested():
            once_committed(session, "lost within", lambda: told.append("lost within"))
        savepoint.rollback()
        with session.begin_nested():
            once_committed(session, "kept", lambda: told.append("kept"))
        session.commit()
    assert told == ["both", "outer", "kept"]
    engine.dispose()
