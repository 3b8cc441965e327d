"""From a commit to its handler by real workers: the relay, the followers, and a kill -9 of who runs them."""

from __future__ import annotations

from tests.engine.rig import Rig, WorkerProcess, until


def commit(rig: Rig, first: int) -> set[int]:
    """One event by the outbox, two by the event store; their numbers."""
    with rig.platform.database.session() as session:
        rig.platform.outbox.add(session, [rig.event("plain", first)])
    rig.platform.event_store.append("plain-1", [rig.event("plain", first + n) for n in (1, 2)])
    return {first, first + 1, first + 2}


def owner(rig: Rig) -> str:
    return until(
        lambda: rig.platform.outgoing.status()["relay"]["owner"], what=f"a relay\n{rig.logs()}"
    )


def test_a_killed_relay_is_followed_by_another(rig: Rig) -> None:
    started = [rig.start(lanes="default,system", slots=1) for _ in range(2)]
    workers: dict[int, WorkerProcess] = {worker.ready().pid: worker for worker in started}
    numbers = commit(rig, 0)
    rig.await_outputs("plain", numbers)
    stored = {"plain-1", "plain-2"}
    until(lambda: set(rig.projected()) == stored, what=f"two are projected\n{rig.logs()}")

    first = owner(rig)
    (victim,) = [pid for pid in workers if f"-{pid}-" in first]
    workers[victim].kill_group()
    numbers |= commit(rig, 10)
    rig.await_outputs("plain", numbers)
    second = owner(rig)
    assert second != first and f"-{victim}-" not in second

    stored |= {"plain-11", "plain-12"}
    until(lambda: set(rig.projected()) == stored, what=f"four are projected\n{rig.logs()}")
    assert set(rig.projected().values()) == {1}
    rows = rig.platform.projections.get("engine.asked")
    assert (rows["state"], rows["lag"]) == ("running", 0)
    assert f"-{victim}-" not in until(rig.platform.projections.owner, what="a follower")
