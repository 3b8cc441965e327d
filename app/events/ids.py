"""Identifiers of events.

A producer's event gets a UUIDv7 (RFC 9562, section 5.7): sortable by time. An
event emitted by a handler gets an id derived from its cause, so that a second
execution of the same delivery emits the same ids.
"""

from __future__ import annotations

import hashlib
import os
import time

_AT_ONCE = 256
_LENGTH = 10
_RANDOM = int.from_bytes(bytes.fromhex("0fff3fffffffffffffff") * _AT_ONCE)
_FIXED = int.from_bytes(bytes.fromhex("70008000000000000000") * _AT_ONCE)
_tails: list[str] = []
"""The random parts of ids that nobody has yet: asking the system for each takes longer than all the rest."""
_head: tuple[int, str] = 0, ""
"""A millisecond, and how the ids of it begin."""
os.register_at_fork(after_in_child=_tails.clear)  # a child's ids are none of its parent's


def uuid7() -> str:
    """A new UUIDv7: 48 bits of Unix milliseconds, then 74 random bits."""
    global _head
    now = time.time_ns() // 1_000_000
    head = _head
    if head[0] != now:
        digits = f"{now:012x}"
        head = _head = now, f"{digits[:8]}-{digits[8:]}-"
    try:
        return head[1] + _tails.pop()
    except IndexError:
        return head[1] + _more_tails()


def _more_tails() -> str:
    """One, and some to keep; threads may do so at the same time.

    Of each the version, 12 random bits, the variant (two bits), and 62 more.
    """
    random = int.from_bytes(os.urandom(_LENGTH * _AT_ONCE)) & _RANDOM | _FIXED
    digits = f"{random:0{2 * _LENGTH * _AT_ONCE}x}"
    tails = [
        f"{digits[at : at + 4]}-{digits[at + 4 : at + 8]}-{digits[at + 8 : at + 20]}"
        for at in range(0, len(digits), 2 * _LENGTH)
    ]
    _tails.extend(tails[1:])
    return tails[0]


def _format(hex32: str) -> str:
    return f"{hex32[:8]}-{hex32[8:12]}-{hex32[12:16]}-{hex32[16:20]}-{hex32[20:]}"


def derived_id(*parts: object) -> str:
    """A UUIDv8 (RFC 9562, section 5.8) made of a hash of the parts, in order."""
    digest = hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=16).digest()
    value = int.from_bytes(digest, "big")
    value = (value & ~(0xF << 76)) | 0x8 << 76
    value = (value & ~(0x3 << 62)) | 0b10 << 62
    return _format(f"{value:032x}")


def emitted_id(source: str, cause: str, subscription: str, generation: int, index: int) -> str:
    """The id of the `index`-th event that a delivery emits."""
    return derived_id(source, cause, subscription, generation, index)


def delivery_id(source: str, event: str, subscription: str, generation: int) -> str:
    """What stays the same over all attempts of a delivery: the idempotency key to hand on."""
    return derived_id("delivery", source, event, subscription, generation)


def letter_id(source: str, event: str, subscription: str) -> str:
    """The id of the dead letter that an event becomes for a subscription."""
    return derived_id("letter", source, event, subscription)
