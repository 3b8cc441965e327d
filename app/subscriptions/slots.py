"""What each slot of a worker is doing, in memory that parent and children share.

A page of memory made before the fork. The child writes which delivery it has
in hand and until when; the parent reads it, to end what takes too long and to
know, when a child has died, which event it had in hand. The parent writes
that the worker is closing and which version of the operators' decisions holds.
No locks: each field has one writer, and who reads a torn text sees a text that
does not parse, and looks again.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Sequence
from typing import NamedTuple

from app.streams.entry import Entry

HEADER = 64
SLOT = 256 * 1024
"""Bytes for each slot: room for the ids of the largest batch. Untouched pages cost nothing."""
_CONTROL = struct.Struct("<q")
# pid, state, checked, started, deadline, first index in hand, number in hand, rest released
_STATE = struct.Struct("<qqdddqqq")
_LENGTH = struct.Struct("<q")
_CHECKED = struct.Struct("<d")
_TICKET = struct.Struct("<q")
_TEXT = _STATE.size + _LENGTH.size + _TICKET.size
FREE, IDLE, BUSY = 0, 1, 2


class Hand(NamedTuple):
    """What a slot has in hand.

    `entries` are the (stream, id) of everything that was read and is not
    settled; those from `first`, `number` of them, are being handled. `started`
    and `deadline` are monotonic seconds, the latter 0 where there is no limit.
    """

    pid: int
    state: int
    subscription: str
    consumer: str
    event: str
    entries: list[tuple[str, bytes]]
    first: int
    number: int
    started: float
    deadline: float
    checked: float


class Slots:
    """The shared page; made once in the parent, before its children are forked."""

    def __init__(self, count: int):
        self.count = count
        self._page = mmap.mmap(-1, HEADER + SLOT * count)

    @property
    def closing(self) -> bool:
        """Whether leases should finish what they have in hand and end."""
        return self._page[0] != 0

    @closing.setter
    def closing(self, value: bool) -> None:
        self._page[0] = int(value)

    @property
    def giving_way(self) -> bool:
        """Whether leases should end so that an ordinary task gets a slot."""
        return self._page[1] != 0

    @giving_way.setter
    def giving_way(self, value: bool) -> None:
        self._page[1] = int(value)

    @property
    def detached(self) -> bool:
        """Whether Celery looks for its broker, so that it could start no lease: those that run go on."""
        return self._page[2] != 0

    @detached.setter
    def detached(self, value: bool) -> None:
        self._page[2] = int(value)

    @property
    def control(self) -> int:
        """The version of the operators' decisions that the parent saw last."""
        return _CONTROL.unpack_from(self._page, 8)[0]

    @control.setter
    def control(self, version: int) -> None:
        _CONTROL.pack_into(self._page, 8, version)

    def slot(self, number: int) -> Slot:
        return Slot(self, number)


class Slot:
    """One slot's part of the page. The lease that runs in it writes; its parent reads."""

    def __init__(self, slots: Slots, number: int):
        self.slots = slots
        self.number = number
        self._page = slots._page
        self._at = HEADER + SLOT * number

    # -- written by the lease

    def open(self, consumer: str, now: float) -> None:
        """A lease begins; nothing is in hand yet."""
        self._write_text(f"{consumer}\n\n\n")
        _STATE.pack_into(self._page, self._at, os.getpid(), IDLE, now, now, 0.0, -1, 0, 0)

    def close(self, unfinished: bool = False) -> None:
        """The lease has ended; `unfinished`: it knows of work that is left."""
        checked = 0.0 if unfinished else self.checked()
        _STATE.pack_into(self._page, self._at, 0, FREE, checked, 0.0, 0.0, -1, 0, 0)

    def idle(self, now: float) -> None:
        """The lease begins to wait for work."""
        self._write_state(IDLE)
        _CHECKED.pack_into(self._page, self._at + 16, now)

    def take(self, consumer: str, subscription: str, entries: Sequence[Entry]) -> None:
        """Entries were read, and are now held."""
        streams = list(dict.fromkeys([entry.stream for entry in entries]))
        if len(streams) == 1:  # the usual case, on the path of every event
            ids = "0:" + b" 0:".join([entry.id for entry in entries]).decode()
        else:
            numbers = {stream: number for number, stream in enumerate(streams)}
            ids = " ".join([f"{numbers[entry.stream]}:{entry.id.decode()}" for entry in entries])
        self._write_text(f"{consumer}\n{subscription}\n{' '.join(streams)}\n{ids}")
        self._write_state(BUSY)
        struct.pack_into("<q", self._page, self._at + 56, 0)

    def begin(self, index: int, count: int, now: float, deadline: float) -> None:
        """The entries from `index` are being handled until `deadline`."""
        _BEGIN_INTO(self._page, self._at + 24, now, deadline, index, count)

    def untimed(self) -> None:
        """What is in hand is handled, and waits for the server: nobody's handler takes that time."""
        _CHECKED.pack_into(self._page, self._at + 32, 0.0)

    def end(self) -> None:
        """Nothing is in hand any more."""
        _BEGIN_INTO(self._page, self._at + 24, 0.0, 0.0, -1, 0)

    @property
    def asked_for(self) -> bool:
        """Whether no other entry is to be begun: the worker closes, or the parent gave back the rest."""
        return self._page[0] != 0 or self._page[self._at + 56] != 0

    @property
    def rest_released(self) -> bool:
        """Whether the parent gave back what comes after the entry in hand."""
        return self._page[self._at + 56] != 0

    @property
    def ticket(self) -> int:
        """The number of the lease that may run here now."""
        return _TICKET.unpack_from(self._page, self._at + _STATE.size + _LENGTH.size)[0]

    # -- written by the parent

    def next_ticket(self) -> int:
        """A number for the lease that shall run here; every earlier one is void."""
        ticket = self.ticket + 1
        _TICKET.pack_into(self._page, self._at + _STATE.size + _LENGTH.size, ticket)
        return ticket

    def release_rest(self) -> None:
        self._page[self._at + 56] = 1

    # -- read by the parent

    def pid(self) -> int:
        """The process whose lease this is; 0 where the slot is free."""
        return struct.unpack_from("<q", self._page, self._at)[0]

    def state(self) -> int:
        return struct.unpack_from("<q", self._page, self._at + 8)[0]

    def read(self) -> Hand | None:
        """What the slot has in hand; None where it is free or was being written just now."""
        pid, state, checked, started, deadline, index, count, _ = _STATE.unpack_from(
            self._page, self._at
        )
        if state == FREE:
            return None
        try:
            consumer, subscription, streams, ids = self._read_text().split("\n")
            names = streams.split(" ")
            entries = [
                (names[int(number)], id.encode())
                for number, _, id in (one.partition(":") for one in ids.split(" ") if one)
            ]
            event = entries[index][1].decode() if 0 <= index < len(entries) else ""
            return Hand(
                pid,
                state,
                subscription,
                consumer,
                event,
                entries,
                index,
                count,
                started,
                deadline,
                checked,
            )
        except (ValueError, IndexError, UnicodeDecodeError):
            return None

    def checked(self) -> float:
        """When the lease looked for work the last time (monotonic seconds); 0 where some was left."""
        return _CHECKED.unpack_from(self._page, self._at + 16)[0]

    def _write_state(self, state: int) -> None:
        struct.pack_into("<q", self._page, self._at + 8, state)

    def _write_text(self, text: str) -> None:
        encoded = text.encode()[: SLOT - _TEXT]
        _LENGTH.pack_into(self._page, self._at + _STATE.size, len(encoded))
        begin = self._at + _TEXT
        self._page[begin : begin + len(encoded)] = encoded

    def _read_text(self) -> str:
        (length,) = _LENGTH.unpack_from(self._page, self._at + _STATE.size)
        begin = self._at + _TEXT
        return self._page[begin : begin + length].decode()


_BEGIN_INTO = struct.Struct("<ddqq").pack_into
