"""Aggregates and deciders: decide, record, apply, save; conflicts, snapshots, and how things were."""

# ruff: noqa: RUF012 (an aggregate's start values are copied for each)
from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from pydantic import BaseModel
from sqlalchemy import text
from structlog.testing import capture_logs

from app.errors import NotFound, Refused
from app.events.event import Event
from app.events.schema import TYPES, event_type
from app.sourcing.aggregate import Aggregate, NotApplied, applies
from app.sourcing.decider import Decider
from app.sourcing.kind import Kinds
from app.sourcing.past import Past
from app.sourcing.written import lint
from app.store.eventstore.recorded import VersionConflict
from app.store.page import BadCursor, cursor_of


@dataclass
class Line:
    item: str
    n: int = 1


class Crate(Aggregate):
    snapshot_every = 3

    lines: dict[str, Line] = {}
    seal: str | None = None

    def add(self, item, n=1):
        if self.seal:
            raise Refused(f"{self.id} is sealed by {self.seal}")
        self.record("crate.filled", {"item": item, "n": n})

    def close(self, by):
        self.record("crate.sealed", {"by": by})

    @applies("crate.filled")
    def _filled(self, event):
        item, n = event.data["item"], event.data["n"]
        line = self.lines.setdefault(item, Line(item, 0))
        line.n += n

    @applies("crate.sealed")
    def _sealed(self, event):
        self.seal = event.data["by"]


def fields(crate):
    return crate.lines, crate.seal, crate.version


def test_a_replay_equals_the_live_state(repository):
    with repository.edit(Crate, "1", actor="user:ada") as live:
        live.add("apple", 2)
        live.add("pear")
        live.close("ada")
    assert live.lines == {"apple": Line("apple", 2), "pear": Line("pear", 1)}
    assert fields(repository.get(Crate, "1")) == fields(live)
    assert repr(live).startswith("<Crate 1 at version 3: lines={'apple'")


def test_start_values_belong_to_one_aggregate_only():
    one, other = Crate("1"), Crate("2")
    one.add("apple")
    assert other.lines == {} and Crate.lines == {}


def test_a_decision_that_is_refused_saves_nothing(repository):
    repository.change(Crate, "1", lambda crate: crate.close("ada"))
    with pytest.raises(Refused, match="sealed by ada"), repository.edit(Crate, "1") as crate:
        crate.add("apple")
    assert repository.get(Crate, "1").version == 1
    with pytest.raises(NotFound, match="no crate '2'"):
        repository.get(Crate, "2")


def test_of_two_who_edit_one_is_told(repository, events):
    repository.change(Crate, "1", lambda crate: crate.add("apple"))
    ada = repository.get(Crate, "1")
    ada.add("pear")
    with repository.edit(Crate, "1", actor="user:bob") as bobs:
        bobs.add("fig")
    with pytest.raises(VersionConflict, match=r"user:bob appended crate\.filled"):
        repository.save(ada, actor="user:ada")
    assert set(repository.get(Crate, "1").lines) == {"apple", "fig"}


def test_changes_of_many_equal_some_serial_order(repository):
    """Each adds only where there is room: never more than fit, whatever the interleaving."""
    full = []

    def add_where_there_is_room(crate):
        if sum(line.n for line in crate.lines.values()) >= 10:
            return False
        crate.add("apple")
        return True

    def work():
        while repository.change(Crate, "1", add_where_there_is_room, tries=1000):
            pass
        full.append(True)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(full) == 4
    assert repository.get(Crate, "1").lines == {"apple": Line("apple", 10)}


def test_an_edit_takes_part_in_a_session(repository, store):
    with store.main.session() as session:
        with repository.edit(Crate, "1", session=session) as crate:
            for _ in range(4):
                crate.add("apple")
        session.rollback()
    with pytest.raises(NotFound):
        repository.get(Crate, "1")
    with store.main.read() as session:
        assert session.execute(text("SELECT count(*) FROM snapshots")).scalar() == 0


def test_an_event_without_a_method_is_a_clear_error():
    with pytest.raises(NotApplied, match=r'@applies\("crate.lost"\)'):
        Crate("1").record("crate.lost", {})


def test_a_field_without_a_start_value_is_refused():
    with pytest.raises(TypeError, match="owner has no start value"):

        class Chest(Aggregate):
            owner: str


def test_loading_reads_only_what_came_after_the_snapshot(repository, events, monkeypatch):
    with repository.edit(Crate, "1") as crate:
        for _ in range(7):
            crate.add("apple")
    repository.change(Crate, "1", lambda crate: crate.add("pear"))
    asked = []
    read = events.read
    monkeypatch.setattr(events, "read", lambda *a, **k: asked.append(a) or read(*a, **k))
    assert repository.get(Crate, "1").lines["apple"] == Line("apple", 7)
    assert asked == [("crate:1", 8)]
    assert repository.get(Crate, "1", version=3).lines["apple"] == Line("apple", 3)
    assert asked[-1] == ("crate:1", 1)  # the snapshot is younger than what was asked for


def crate_that(applying, types="crate.filled"):
    """A class as another release may have it: the same stream, other applying code."""

    class Other(Aggregate):
        category = "crate"
        snapshot_every = 3
        lines: dict[str, Line] = {}
        seal: str | None = None
        filled = applies(types)(applying)

    return Other


def test_a_snapshot_with_changed_applying_code_is_not_used(repository):
    with repository.edit(Crate, "1") as crate:
        for _ in range(3):
            crate.add("apple")
    doubled = crate_that(
        lambda self, event: self.lines.setdefault("all", Line("all", 0)).__setattr__(
            "n", self.lines["all"].n + 2
        )
    )
    assert repository.get(doubled, "1").lines == {"all": Line("all", 6)}
    assert repository.get(Crate, "1").lines == {"apple": Line("apple", 3)}  # both side by side


def test_a_snapshot_that_can_not_be_read_falls_back_to_replay(repository, store):
    with repository.edit(Crate, "1") as crate:
        for _ in range(3):
            crate.add("apple")
    with store.main.session() as session:
        session.execute(text("UPDATE snapshots SET state = '{\"lines\": 7}'"))
    assert repository.get(Crate, "1").lines == {"apple": Line("apple", 3)}


def test_code_that_names_something_nested_too_deep_has_no_snapshots_and_is_loaded(
    repository, store
):
    deep: list[object] = []
    for _ in range(3000):
        deep = [deep]
    other = crate_that(lambda self, event: setattr(self, "seal", str(len(deep))))
    with pytest.raises(RecursionError):
        other.kind().fingerprint()
    with repository.edit(other, "1") as crate:
        for _ in range(3):
            crate.record("crate.filled")
    assert (repository.get(other, "1").version, repository.get(other, "1").seal) == (3, "1")
    with store.main.read() as session:
        assert session.execute(text("SELECT count(*) FROM snapshots")).scalar() == 0


def test_a_snapshot_of_an_earlier_release_is_not_used(repository, store):
    with repository.edit(Crate, "1") as crate:
        for _ in range(3):
            crate.add("apple")
    with store.main.session() as session:
        was = (
            'UPDATE snapshots SET fingerprint = \'8a2f4d\', state = \'{"lines": {}, "seal": "x"}\''
        )
        session.execute(text(was))
    assert repository.get(Crate, "1").lines == {"apple": Line("apple", 3)}


class Album(Aggregate):
    snapshot_every = 2

    plain: dict = {}
    typed: dict[int, tuple[str, datetime]] = {}

    @applies("album.filled")
    def _filled(self, event):
        n = event.data["n"]
        if "plain" in event.data:
            self.plain[n] = n
        if "own" in event.data:
            self.own = n
        self.typed[n] = ("page", event.time)


@pytest.mark.parametrize("kept", ["typed", "plain", "own"])
def test_a_snapshot_is_taken_only_of_what_is_read_back_as_it_is(repository, store, kept):
    with capture_logs() as logs:
        for n in range(5):
            repository.change(
                Album, kept, lambda it, n=n: it.record("album.filled", {"n": n, kept: 1})
            )
    found = repository.get(Album, kept)
    replayed = Album(kept)
    for event in repository._store.read(f"album:{kept}"):
        replayed._apply(event.event)
    assert vars(found) == vars(replayed)
    with store.main.read() as session:
        taken = session.execute(text("SELECT count(*) FROM snapshots")).scalar()
    assert taken == (kept == "typed")
    told = [log["problem"] for log in logs if log["event"] == "no snapshot taken"]
    assert [one.split()[0] for one in told] == ([] if kept == "typed" else [kept])


def test_the_lint_names_a_field_that_no_snapshot_can_hold():
    class Odd(Aggregate):
        snapshot_every = 2
        fine: dict[str, Line | None] = {}
        seen: object = None

    assert lint(Album.kind()) == lint(Crate.kind()) == []
    assert lint(Odd.kind()) == [
        "odd has snapshots, but seen is declared as object, which no JSON is read as"
    ]


@dataclass(frozen=True)
class Count:
    total: int = 0
    by: dict[str, int] = field(default_factory=dict)


def decide(command, state):
    if state.total + command > 10:
        raise Refused("more than ten")
    return [Event(type="count.raised", data={"n": command})]


def evolve(state, event):
    return replace(state, total=state.total + event.data["n"])


def test_a_decider_is_two_pure_functions(repository):
    counter = Decider("counter", start=Count(), decide=decide, evolve=evolve, snapshot_every=2)
    for n in (1, 2, 3):
        done = repository.decide(counter, "hits", n, actor="user:ada")
    assert done.version == 3
    assert repository.load(counter.kind, "hits").state == Count(total=6)
    with pytest.raises(Refused, match="more than ten"):
        repository.decide(counter, "hits", 5)


@event_type("coin.spent", version=1)
class CoinSpent(BaseModel):
    amount: int


def purse(category, data, **options):
    """A decider whose state is what `data` makes of the command, as its events bear it."""
    return Decider(
        category, start=[], decide=lambda asked, held: [Event(type="coin.spent", data=data(asked))],
        evolve=lambda held, event: [*held, event.data.amount], **options,
    )  # fmt: skip


@pytest.mark.parametrize("data", [lambda n: {"amount": n}, lambda n: CoinSpent(amount=n)])
def test_a_decider_sees_the_data_of_its_events_as_a_replay_does(repository, data):
    spent = purse("purse", data)
    _, held, _ = repository.decided(spent, "ada", 5)
    assert held.state == repository.load(spent.kind, "ada").state == [5]


def test_a_snapshot_of_a_decider_holds_what_a_replay_gives(repository):
    typed = Decider(
        "tray", start="", decide=lambda asked, held: [Event(type="tray.filled", data=(asked,))],
        evolve=lambda held, event: type(event.data).__name__, snapshot_every=1,
    )  # fmt: skip
    _, held, _ = repository.decided(typed, "1", 5)
    assert held.state == repository.load(typed.kind, "1").state == "list"


def test_what_a_decider_can_not_apply_is_not_appended(repository, events):
    broken = Decider(
        "broken", start=0, decide=lambda asked, held: [Event(type="coin.lost")],
        evolve=lambda held, event: held + event.data["amount"],
    )  # fmt: skip
    with pytest.raises(TypeError):
        repository.decide(broken, "1", 5)
    assert events.version("broken:1") == 0


@pytest.mark.parametrize("given", [None, Event(type="coin.spent"), [{"amount": 5}], "coin.spent"])
def test_a_decider_that_gives_no_list_of_events_is_told(repository, given):
    wrong = Decider(
        "wrong", start=0, decide=lambda asked, held: given, evolve=lambda held, event: 0
    )
    with pytest.raises(Refused, match="return a list of events"):
        repository.decide(wrong, "1", 5)


def test_a_changed_upcaster_leaves_a_deciders_snapshots_alone(monkeypatch):
    before = purse("purse", CoinSpent).kind.fingerprint()
    monkeypatch.setitem(TYPES.upcasters, ("coin.spent", 1), lambda data: {**data, "amount": 0})
    assert purse("purse", CoinSpent).kind.fingerprint() != before


def test_two_methods_for_one_type_are_refused():
    with pytest.raises(Refused, match=r"two methods for lid\.opened"):

        class Lid(Aggregate):
            @applies("lid.opened")
            def _one(self, event):
                pass

            @applies("lid.closed", "lid.opened")
            def _other(self, event):
                pass


def test_two_modules_that_would_share_their_streams_are_named():
    kinds = Kinds()
    kinds.register(Crate.kind())
    kinds.register(Crate.kind())
    assert kinds.shared() == []
    kinds.register(replace(Crate.kind(), code="another.shop.Crate"))
    (told,) = kinds.shared()
    assert "another.shop.Crate have one category, crate" in told


@pytest.fixture
def past(events):
    kinds = Kinds()
    kinds.register(Crate.kind())
    return Past(events, kinds)


@pytest.fixture
def told(repository, clock):
    """A crate that ada filled, bob added to, and ada sealed, ten seconds apart."""
    for actor, change in (
        ("user:ada", lambda crate: crate.add("apple")),
        ("user:bob", lambda crate: crate.add("apple", 4)),
        ("user:ada", lambda crate: crate.close("ada")),
    ):
        repository.change(Crate, "1", change, actor=actor)
        clock.sleep(10)


def test_as_it_was_at_a_version_and_at_a_time(told, past, clock):
    assert past.get("crate:1", version=1)["state"]["lines"]["apple"]["n"] == 1
    assert past.get("crate:1", at=clock.now() - 15)["state"]["seal"] is None
    now = past.get("crate:1")
    assert now["state"]["seal"] == "ada" and now["version"] == now["newest"] == 3
    with pytest.raises(NotFound, match="versions are 1 to 3"):
        past.get("crate:1", version=4)
    with pytest.raises(NotFound, match=r"there at 1970-01-01T00:00:10\.000000Z: .* it began"):
        past.get("crate:1", at=datetime.fromtimestamp(10, UTC))
    with pytest.raises(NotFound, match="aggregates list"):
        past.get("crate:2")
    with pytest.raises(Refused, match="either `version`"):
        past.get("crate:1", version=2, at=clock.now())


@pytest.mark.parametrize("version", [4, 2**31, 10**30])
def test_a_version_that_is_not_there_is_told_and_no_other_is_given(
    told, past, repository, clock, version
):
    for ask in (past.get, past.version_at):
        with pytest.raises(NotFound, match="versions are 1 to 3"):
            ask("crate:1", version=version)
    with pytest.raises(NotFound, match="has no version"):
        past.step("crate:1", version)
    with pytest.raises(NotFound, match=f"at version {version}"):
        repository.get(Crate, "1", version=version)
    with pytest.raises(Refused, match="either `version`"):
        repository.get(Crate, "1", version=1, at=clock.now())


@pytest.mark.parametrize("place", [0, -1, 4, 2**40, 10**30])
def test_a_cursor_of_another_list_is_told(told, past, place):
    with pytest.raises(BadCursor):
        past.history("crate:1", cursor=cursor_of(place))
    if place == 10**30:
        with pytest.raises(BadCursor):
            past.find(cursor=cursor_of(place))


def test_why_a_value_is_so(told, past):
    why = past.get("crate:1")["why"]
    assert (why["lines.apple.n"]["version"], why["lines.apple.n"]["actor"]) == (2, "user:bob")
    assert why["lines.apple.item"]["actor"] == "user:ada"
    assert why["seal"]["type"] == "crate.sealed"


def test_the_history_tells_what_each_event_changed(told, past):
    page = past.history("crate:1", limit=2)
    assert [step["version"] for step in page.items] == [3, 2]
    assert page.items[1]["changes"] == [{"field": "lines.apple.n", "before": 1, "after": 5}]
    rest = past.history("crate:1", limit=2, cursor=page.next)
    assert [step["version"] for step in rest.items] == [1] and rest.next is None
    assert past.step("crate:1", 3)["data"] == {"by": "ada"}


def test_streams_are_listed_by_category(told, past, events):
    events.append("cratelike:1", Event(type="thing.done"))
    assert [each["stream"] for each in past.find().items] == ["cratelike:1", "crate:1"]
    found = past.find("crate").items
    assert [(each["stream"], each["version"], each["last"]) for each in found] == [
        ("crate:1", 3, "crate.sealed")
    ]
    unknown = past.get("cratelike:1")
    assert unknown["state"] is None and unknown["known"] is False
