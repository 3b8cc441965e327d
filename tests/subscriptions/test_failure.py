"""Which failures share a group: those of one cause, whatever differs from event to event."""

from __future__ import annotations

import pytest

from app.subscriptions.failure import describe
from app.subscriptions.outcomes import Failure


def failed(message: str, subscription: str = "shop.charge") -> Failure:
    try:
        raise ValueError(message)
    except ValueError as error:
        return describe(error, subscription, 1.0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("order 17 of 3.5 kg has no price", "order 4711 of 20 kg has no price"),
        ("no user 'ada'", 'no user "bob o\'neil"'),
        ("run 01890a5d-ac96-774b-bcce-b302099a8057 is gone", "run deadbeefcafe0 is gone"),
        ("key 01J8ZK3QXW is taken", "key 7H2MFPA9RT is taken"),
        ("ada@example.org has no account", "bob@example.net has no account"),
        ("https://a.example/x?y answered late", "https://b.example/z answered late"),
    ],
)
def test_what_differs_from_event_to_event_splits_no_group(one, other):
    first, second = failed(one), failed(other)
    assert (first.title, first.group) == (second.title, second.group)
    assert first.error != second.error


def test_other_messages_and_other_subscriptions_are_other_groups():
    groups = {
        failed("order 1 has no price").group,
        failed("order 1 has no customer").group,
        failed("order 1 has no price", "shop.ship").group,
    }
    assert len(groups) == 3
