"""What `doctor` says of a process's states."""

from __future__ import annotations

from app import Process, process, when
from app.subscriptions.declaration import Handlers
from app.subscriptions.process_lint import problems


def found(made: type[Process]) -> list[str]:
    handlers = Handlers()
    process(by="subject", handlers=handlers)(made)
    return problems(handlers.subscriptions.values())


class Order(Process):
    @when("order.placed", start=True)
    def ask(self, event, ctx):
        self.become("unpaid", within="soon")

    @when("payment.received", state=["unpaid", "unpiad"])
    def paid(self, event, ctx):
        self.become(state="paid", within="7d")

    @when("parcel.packed", state="paid")
    def packed(self, event, ctx):
        self.finish()


class Computed(Process):
    @when("order.placed", start=True)
    def ask(self, event, ctx):
        self.become(event.data["state"])

    @when("payment.received", state="unpaid")
    def paid(self, event, ctx):
        self.finish()


def test_a_state_that_nothing_enters_and_a_time_that_is_none_are_named():
    state, within = found(Order)
    assert "'unpiad', which is never entered ('paid', 'unpaid')" in state
    assert within.startswith("Order.become: within")


def test_of_states_that_are_computed_nothing_is_said():
    assert found(Computed) == []
