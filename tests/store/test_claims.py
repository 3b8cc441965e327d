"""A claim on an idempotency key is taken over soon after whoever made it died, and never while that one lives."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager

import pytest
from sqlmodel import select

from app import living
from app.errors import Conflict, Unavailable
from app.store import claims
from app.store.claims import STILL
from app.store.commands import CommandRow
from app.store.database import Database
from app.store.once import Claim, InProgress, Once
from app.testing.clock import NEW_YEAR_2026, FakeClock

PERIOD = claims.PERIOD
ELSEWHERE = {"place": "another machine", "pid": 1, "began": "1"}


@pytest.fixture(autouse=True)
def by_hand(monkeypatch) -> None:
    """Turns are the test's to make."""
    monkeypatch.setattr(claims, "PERIOD", 3600.0)


@pytest.fixture
def web(database: Database):
    """Makes what a web process has; its clock may be ahead."""
    made: list[Once] = []

    def make(ahead: float = 0.0) -> Once:
        made.append(Once(database, FakeClock(NEW_YEAR_2026 + ahead)))
        return made[-1]

    yield make
    for one in made:
        one.close()


@contextmanager
def made_by(process: dict, monkeypatch):
    with monkeypatch.context() as there:
        there.setattr(living, "this_process", lambda: process)
        yield


def ask(once: Once):
    return once.claim("pause", "user:ann", "k", "digest")


def taken(once: Once) -> bool:
    try:
        return isinstance(ask(once), Claim)
    except InProgress:
        return False


def pass_time(seconds: float, *of: Once) -> None:
    for _ in range(int(seconds / PERIOD) + 1):
        for each in of:
            each._clock.advance(PERIOD)
            each._claims.turn()


def test_a_claim_of_another_machine_lasts_as_long_as_that_one_beats(web, monkeypatch) -> None:
    theirs, ours = web(), web(ahead=200)  # clocks differ
    with made_by(ELSEWHERE, monkeypatch):
        first = ask(theirs)
    assert not taken(ours)
    pass_time(5 * STILL, ours, theirs)
    assert not taken(ours)
    pass_time(STILL - 2 * PERIOD, ours)  # it was killed
    assert not taken(ours)
    pass_time(3 * PERIOD, ours)
    assert taken(ours)
    with pytest.raises(Conflict, match="begun again"):
        theirs.check(
            first
        )  # and had it only been asleep, it would notice before what nothing undoes
    theirs._claims.turn()
    assert not taken(web())  # nor does it beat for what is another's


def test_while_nobody_can_beat_nobody_is_declared_dead(web, database, monkeypatch) -> None:
    theirs, ours = web(), web()
    with made_by(ELSEWHERE, monkeypatch):
        ask(theirs)
    assert not taken(ours)
    pass_time(2 * PERIOD, theirs, ours)

    def away(*_):
        raise Unavailable("the database is away")

    with monkeypatch.context() as outage:
        for name in ("read", "session"):
            outage.setattr(database, name, away)
        pass_time(3 * STILL, ours, theirs)
    assert not taken(ours)
    pass_time(PERIOD, ours)  # it looks again before the other beats again
    assert not taken(ours)
    pass_time(STILL, ours, theirs)
    assert not taken(ours)
    theirs.release(Claim("request:pause", "user:ann", "k", "another's"))
    pass_time(2 * STILL, ours)
    assert taken(ours)


def test_a_process_of_this_machine_is_known_to_live_or_to_be_gone(web, monkeypatch) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    )
    theirs, ours = web(), web()
    told = {"place": living.place(), "pid": child.pid, "began": living._began(child.pid)}
    try:
        with made_by(told, monkeypatch):
            ask(theirs)
        pass_time(2 * STILL, ours)
        assert not taken(ours)  # it stands still, and lives
    finally:
        child.kill()
    assert eventually_gone(told)
    child.wait(30)
    assert taken(ours)
    assert living.fate({**living.this_process(), "began": "1"}) == "gone"  # its id was given again
    assert living.fate(living.this_process()) == "alive"


def eventually_gone(told: dict) -> bool:
    """Dead is enough: its parent may be slow to notice."""
    return any(living.fate(told) == "gone" for _ in range(1_000_000))


def test_a_claim_of_a_release_that_does_not_beat_lasts_its_time(web, database) -> None:
    theirs, ours = web(), web()
    ask(theirs)
    with database.session() as session:
        row = session.exec(select(CommandRow)).one()
        row.answer = {name: row.answer[name] for name in ("token", "until")}
        session.add(row)
    pass_time(2 * STILL, ours)
    assert not taken(ours)
    ours._clock.advance(300)
    assert taken(ours)


def test_the_thread_beats_while_something_is_held_and_ends_after_it(web, database, monkeypatch):
    monkeypatch.setattr(claims, "PERIOD", 0.01)
    once = web()
    claim = ask(once)
    thread = once._claims._thread

    def beats() -> int:
        with database.read() as session:
            return session.exec(select(CommandRow)).one().answer.get("beat", 0)

    assert any(beats() > 2 for _ in range(100_000))
    once.keep(claim, "done")
    thread.join(60)
    assert not thread.is_alive() and ask(once) == {"answer": "done"}
