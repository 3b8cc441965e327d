"""The record of a settle says the same, whether its deliveries are counted together or one by one."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from app.clock import SystemClock
from app.events.catalogue import Catalogue
from app.events.event import Event
from app.events.schema import EventType, EventTypes
from app.streams.entry import Entry
from app.subscriptions.declaration import Handlers, on
from app.subscriptions.delivery import NOTHING, Handling
from app.subscriptions.outcomes import EXCLUDED, Done
from app.subscriptions.settlement import Settled, Settlement

BEGAN = 1_790_000_000.0


class Seen(BaseModel):
    """Of a type that is only counted."""


def _settlement() -> Settlement:
    types, handlers = EventTypes(), Handlers()
    for name in ("page.seen", "page.left"):
        types.register(EventType(name, 1, "page", "packed", type(name, (Seen,), {})))

    @on("page.seen", "page.left", "page.told", name="count", handlers=handlers)
    def count(event: Event, ctx: Any) -> None:
        """Never called here."""

    (subscription,) = handlers.subscriptions.values()
    handling = Handling(subscription, Catalogue(types), None, SystemClock())  # type: ignore[arg-type]
    return Settlement(None, handling, "consumer", "worker")  # type: ignore[arg-type]


DELIVERIES = st.lists(
    st.builds(
        lambda number, millisecond, type, outcome, started, took, generation: Settled(
            Entry("stream", f"179000000000{millisecond}-{number}".encode(), b"{}", generation),
            Event(type=type, id=f"e{number}"),
            outcome,
            BEGAN + started,
            BEGAN + started + took,
        ),
        st.integers(0, 9),
        st.integers(0, 1),
        st.sampled_from(["page.seen", "page.seen", "page.left", "page.told"]),
        st.sampled_from([NOTHING, NOTHING, NOTHING, Done([]), EXCLUDED]),
        st.sampled_from([0.0, 0.0, 0.5]),
        st.sampled_from([0.0, 0.0, 0.25, 2.0]),
        st.sampled_from([None, None, None, 1]),
    ),
    min_size=1,
    max_size=8,
)


@given(DELIVERIES)
def test_a_record_counts_as_its_deliveries_one_by_one(work: list[Settled]) -> None:
    settlement = _settlement()

    whole = _data(settlement, work)
    parts = [_data(settlement, [one]) for one in work]

    for name in whole["counts"]:
        assert whole["counts"][name] == sum(part["counts"][name] for part in parts)
    for times in ("waited", "worked"):
        assert abs(whole[times]["sum"] - sum(part[times]["sum"] for part in parts)) < 1e-3
        assert whole[times]["max"] == max(part[times]["max"] for part in parts)
        buckets = {bucket for part in parts for bucket in part[times]["in"]}
        assert whole[times]["in"] == {
            bucket: sum(part[times]["in"].get(bucket, 0) for part in parts) for bucket in buckets
        }
    assert whole["deliveries"] == [one for part in parts for one in part["deliveries"]]
    assert (whole["tracking"] == "run") == any(part["tracking"] == "run" for part in parts)


def _data(settlement: Settlement, work: list[Settled]) -> Any:
    return msgspec.json.decode(settlement.record(work))["data"]
