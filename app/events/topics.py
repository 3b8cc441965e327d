"""Which topic a type belongs to, and which partition a key belongs to."""

from __future__ import annotations

import re
import zlib
from functools import lru_cache

from app.errors import Refused

SYSTEM_TOPIC = "penstock"
SETTLED = "penstock.settled"
COMMAND_GIVEN, COMMAND_DONE, COMMAND_REFUSED = "command.given", "command.done", "command.refused"
PROJECTION_ASKED, AGGREGATE_ASKED = "projection.asked", "aggregate.asked"
RESERVED = frozenset(
    (COMMAND_GIVEN, COMMAND_DONE, COMMAND_REFUSED, PROJECTION_ASKED, AGGREGATE_ASKED)
)
"""Types that nobody may publish by hand: whoever could would give commands in another's name."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")


def first_segment(event_type: str) -> str:
    """The topic of a type that names none: `dataset` for `dataset.uploaded`."""
    return event_type.partition(".")[0]


@lru_cache(maxsize=1024)
def check_type(event_type: str) -> str | None:
    """What is wrong with a type's name, in words; None where it is well formed."""
    if len(event_type) > 200 or not _TYPE.fullmatch(event_type):
        return (
            "a type is made of at most 200 letters, digits, - and _ in segments parted by dots, "
            "such as dataset.uploaded"
        )
    if not _NAME.fullmatch(event_type.partition(".")[0]):
        return "the first segment of a type is its topic's name: at most 100 letters"
    return None


def check_topic(name: str) -> str:
    """The name itself; raises `Refused` where it can't be a topic's."""
    if not _NAME.fullmatch(name):
        raise Refused(f"{name!r} can't be a topic: letters, digits, - and _, at most 100 of them")
    return name


def partition_of(key: str | None, partitions: int, otherwise: str = "") -> int:
    """The partition of a key, from 0; events without a key are spread by `otherwise` (their id)."""
    if partitions == 1:
        return 0
    return zlib.crc32((key if key is not None else otherwise).encode()) % partitions
