"""Penstock in memory, for the tests of handlers: no server, no worker, no waiting.

    from app.testing import InMemoryPlatform

    def test_an_order_is_checked():
        platform = InMemoryPlatform(handlers=[check_order])
        platform.publish("order.placed", {"total": 12})
        platform.run()
        assert [event.type for event in platform.events()] == ["order.placed", "order.checked"]

Handlers are called by the same code as in a worker; only what lies under it,
the streams and the clock, is another. One suite, `tests/contract`, holds for
both.
"""

from __future__ import annotations

from app.testing.blobs import MemoryBlobs
from app.testing.broker import MemoryBroker
from app.testing.clock import FakeClock
from app.testing.doorbell import MemoryDoorbell
from app.testing.memory import MemoryPlatform
from app.testing.platform import InMemoryPlatform
from app.testing.publisher import MemoryPublisher
from app.testing.seen import DeadLetter, Delivery
from app.testing.streams import MemoryStreams

__all__ = [
    "DeadLetter",
    "Delivery",
    "FakeClock",
    "InMemoryPlatform",
    "MemoryBlobs",
    "MemoryBroker",
    "MemoryDoorbell",
    "MemoryPlatform",
    "MemoryPublisher",
    "MemoryStreams",
]
