"""Ids of new events: UUIDs of version 7, that nobody else has: no thread, and no child."""

from __future__ import annotations

import os
import threading
import uuid

from app.events.ids import uuid7


def test_an_id_is_a_uuid_of_version_7_that_sorts_by_time():
    first, *_, last = found = [uuid7() for _ in range(3000)]
    for one in map(uuid.UUID, found):
        assert (one.version, one.variant) == (7, uuid.RFC_4122)
    assert first[:13] <= last[:13]
    assert len({one[-12:] for one in found}) == 3000


def test_threads_never_get_the_same():
    found: list[list[str]] = [[] for _ in range(6)]
    threads = [
        threading.Thread(target=lambda mine=mine: mine.extend(uuid7() for _ in range(3000)))
        for mine in found
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    random = {one[15:] for mine in found for one in mine}
    assert len(random) == 6 * 3000


def test_a_child_goes_on_with_numbers_of_its_own():
    uuid7()
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, b" ".join(uuid7()[15:].encode() for _ in range(50)))
        os._exit(0)
    os.close(write)
    with open(read) as pipe:
        theirs = pipe.read().split()
    os.waitpid(child, 0)
    mine = [uuid7()[15:] for _ in range(300)]
    assert len(theirs) == 50 and not set(theirs) & set(mine)
