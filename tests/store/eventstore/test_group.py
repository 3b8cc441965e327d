"""Group commit: who comes at the same time is served together, each with an outcome of its own."""

from __future__ import annotations

import ctypes
import threading

import pytest

from app.store.eventstore.group import Group


def test_each_gets_its_own_outcome_and_nobody_is_forgotten():
    sizes = []

    def together(asked):
        sizes.append(len(asked))
        return [ValueError(one) if one % 7 == 0 else one * 2 for one in asked]

    group = Group(together)
    results = {}

    def ask(first):
        for n in range(first, first + 200):
            try:
                results[n] = group.do(n)
            except ValueError as error:
                results[n] = error.args[0]

    threads = [threading.Thread(target=ask, args=(1000 * n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == 1600 == sum(sizes)
    assert all(got == (n if n % 7 == 0 else n * 2) for n, got in results.items())


def test_what_fails_for_all_is_told_to_all_and_the_next_group_is_served():
    entered, go = threading.Event(), threading.Event()
    broken = [True]

    def together(asked):
        entered.set()
        go.wait(30)
        if broken and len(asked) > 1:
            broken.clear()
            raise OSError("no disk")
        return asked

    group = Group(together)
    failed = []

    def ask():
        try:
            group.do(1)
        except OSError as error:
            failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    threads[0].start()
    assert entered.wait(30)
    for thread in threads[1:]:
        thread.start()
    while len(group._queue) < 3:
        pass
    go.set()
    for thread in threads:
        thread.join(30)
    assert len(failed) == 3
    assert group.do(5) == 5


def test_an_interrupt_of_the_one_who_writes_is_not_the_others():
    group = Group(lambda asked: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        group.do(1)
    with pytest.raises(KeyboardInterrupt):
        group.do(2)


class Interrupted(BaseException):
    pass


def test_who_is_interrupted_while_waiting_holds_nobody_up():
    entered, go = threading.Event(), threading.Event()

    def together(asked):
        entered.set()
        assert go.wait(30)
        return asked

    group = Group(together)
    outcomes = []

    def ask(n):
        try:
            outcomes.append(group.do(n))
        except Interrupted:
            outcomes.append("interrupted")

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(3)]
    threads[0].start()
    assert entered.wait(30)
    for waiting, thread in enumerate(threads[1:], 1):
        thread.start()
        while len(group._queue) < waiting:
            pass
    # The first in the queue would lead the next group.
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(threads[1].ident), ctypes.py_object(Interrupted)
    )
    go.set()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes, key=str) == [0, 2, "interrupted"]
    assert group.do(5) == 5
