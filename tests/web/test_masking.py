"""Sensitive fields: masked on every page, route and stream for those who may not see them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError, model_validator

from app.cqrs.events import CommandRefused
from app.events.catalogue import schema_problems
from app.events.schema import field_problems
from app.events.sensitive import MASK, hidden_texts, marked_at, marks_any, masked, sensitive
from app.store.page import Page
from tests.web.conftest import sign_in
from tests.web.test_roles import ENDLESS, GUARDED
from web.masking import PARTS, Masks

SECRET = "4242-4242-4242"
KNOWN = {"replays": "rp000001", "models": "digits", "datasets": "digits", "topics": "order",
         "subscriptions": "shop.handlers.charge", "schemas": "order.placed"}  # fmt: skip


class Card(BaseModel):
    number: str = sensitive()
    holder: str


class Order(BaseModel):
    total: float
    note: str | None = sensitive(None)
    cards: list[Card] = []
    by_name: dict[str, Card] = {}
    main: Card | None = None


SCHEMA = Order.model_json_schema()


def test_a_marked_field_is_masked_wherever_it_is() -> None:
    card = {"number": SECRET, "holder": "Ann"}
    data = {"total": 3.5, "note": {"deep": [SECRET]}, "cards": [card, card],
            "by_name": {"x": card}, "main": card, "more": 1}  # fmt: skip
    shown = masked(data, [SCHEMA])
    assert SECRET not in str(shown)
    assert shown["cards"][1] == {"number": MASK, "holder": "Ann"}
    assert shown["main"]["number"] == shown["by_name"]["x"]["number"] == MASK
    assert (shown["total"], shown["more"]) == (3.5, 1)
    assert data["main"]["number"] == SECRET
    assert hidden_texts(data, shown) == {SECRET}
    assert marks_any(SCHEMA)


@pytest.mark.parametrize(("path", "marked"), [
    (("note",), True), (("note", "deep"), True), (("total",), False), (("noted",), None),
    (("cards",), True), (("cards", 0, "number"), True), (("cards", "0", "holder"), False),
    (("by_name", "x", "number"), True), (("main", "holder"), False), ((), True),
])  # fmt: skip
def test_whether_a_path_leads_to_something_marked(path, marked) -> None:
    assert marked_at(SCHEMA, path) is marked


def test_what_was_given_for_a_marked_field_is_in_no_error() -> None:
    """Neither as a class says it nor as a JSON Schema does, also of an object that holds it."""

    class Charge(BaseModel):
        amount: float
        card: Card

        @model_validator(mode="after")
        def check(self):
            if self.amount > 9:
                raise ValueError("too much")
            return self

    for data in (
        {"amount": "x", "card": {"number": 4242_4242, "holder": 3}},
        {"amount": 10, "card": {"number": SECRET, "holder": "Ann"}},
    ):
        with pytest.raises(ValidationError) as error:
            Charge.model_validate(data)
        told = [
            *field_problems(error.value, Charge),
            *schema_problems(Charge.model_json_schema(), data),
        ]
        assert "4242" not in str(told)
        assert "'x'" in str(told) or data["amount"] == 10


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["number", "note", "cards", "main", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_whatever_the_data_nothing_marked_is_left(data) -> None:
    shown = masked(data, [SCHEMA])
    assert masked(shown, [SCHEMA]) == shown
    if isinstance(data, dict) and data.get("note") is not None:
        assert shown["note"] == MASK
    main = shown.get("main") if isinstance(shown, dict) else None
    if isinstance(main, dict) and main.get("number") is not None:
        assert main["number"] == MASK


@pytest.fixture
def secretive(platform):
    """A platform whose orders carry a secret, also in an error."""
    rows = platform.schemas.all()
    rows[0]["schema"]["properties"]["card"] = {"type": "string", "sensitive": True}
    platform.schemas.all = lambda: rows
    events = {x["id"]: x for x in platform.data["events"]}
    for letter in platform.data["letters"]:
        event = letter["event"] = events.get(letter["event"]["id"], letter["event"])
        event["type"] = "order.placed"
        event["data"] = {"amount": 1, "card": SECRET}
        for attempt in letter["attempts"]:
            attempt["error"] = f"ValueError: card {SECRET}"
            attempt["traceback"] = f"raise ValueError({SECRET!r})"
    for event in platform.data["events"]:
        event["data"] = {"amount": 1, "card": SECRET}
        event["type"] = "order.placed"
    for group in platform.data["groups"]:
        group |= {"type": "order.placed", "title": f"ValueError: card {SECRET}",
                  "error": f"ValueError: card {SECRET}"}  # fmt: skip
    for letter in platform.data["letters"]:
        letter["title"] = f"ValueError: card {SECRET}"
    for run in platform.data["runs"]:
        for step in run["steps"]:
            step |= {"type": "order.placed", "error": f"shop.NoCard: {SECRET}",
                     "history": [{"error": f"NoCard: {SECRET}", "traceback": SECRET, "at": None}]}  # fmt: skip
    platform.projections._rows["thanks"]["problem"] = f"31 order.placed e: KeyError: {SECRET}"
    for row in platform.outgoing.rows:
        row["event"] |= {"type": "order.placed", "data": {"amount": 1, "card": SECRET}}
        row["problem"] = f"card: Value error, {SECRET} is bad"
    platform.projections._rows["sales"]["skipped"] = [
        {"position": 7, "type": "order.placed", "error": f"ValueError: card {SECRET}"},
        {"position": 8, "error": f"ValueError: card {SECRET}"},
    ]
    return platform


def addresses(platform) -> list[str]:
    letter = platform.data["letters"][0]
    known = KNOWN | {"events": letter["event"]["id"], "failures": letter["id"],
                     "dead-letters": letter["id"],
                     "runs": platform.data["runs"][0]["correlationid"]}  # fmt: skip
    found = [f"/failures?group={letter['group']}"]
    for rule, method in GUARDED:
        if method == "GET" and rule.endpoint not in ENDLESS:
            noun = rule.rule.removeprefix("/api/v1").split("/")[1]
            path = re.sub(r"<int:\w+>", "1", rule.rule)
            found.append(re.sub(r"<(?:\w+(?:\([^)]*\))?:)?\w+>", known.get(noun, "nope"), path))
    return found


def test_a_viewer_finds_the_secret_nowhere(app, secretive) -> None:
    viewer = sign_in(app, "viewer")
    pages = 0
    for path in addresses(secretive):
        answer = viewer.get(path)
        pages += answer.status_code == 200
        assert SECRET not in answer.text.replace("<wbr>", ""), path
    assert pages > 25


def test_an_operator_sees_it(app, secretive) -> None:
    operator = sign_in(app, "operator")
    event = secretive.data["letters"][0]["event"]["id"]
    assert SECRET in operator.get(f"/api/v1/events/{event}").text
    assert SECRET in operator.get(f"/events/{event}").text
    assert operator.get("/outbox").text.replace("<wbr>", "").count(SECRET) == 4


def test_of_an_error_that_stands_alone_its_kind_is_left(api_as, secretive) -> None:
    run = secretive.data["runs"][0]["correlationid"]
    step = api_as("read").get(f"/runs/{run}").get_json()["steps"][0]
    assert step["error"] == f"shop.NoCard: {MASK}"
    group = secretive.data["letters"][0]["group"]
    shown = api_as("read").get("/dead-letters/groups").get_json()["items"]
    assert {one["title"] for one in shown} == {f"ValueError: {MASK}"}
    assert SECRET in api_as("operate").get("/dead-letters/groups").text
    assert SECRET in api_as("operate").get(f"/runs/{run}").text
    found = api_as("read").get(f"/dead-letters/groups?q={SECRET[:6]}").get_json()["items"]
    assert found == []
    assert SECRET not in api_as("read").get(f"/search?q={group}").text
    assert SECRET not in api_as("read").get("/projections/thanks").text
    shown = api_as("read").get("/projections/sales").get_json()["skipped"]
    assert [one["error"] for one in shown] == [f"ValueError: {MASK}"] * 2
    assert api_as("operate").get("/projections/sales").text.count(SECRET) == 2


def test_why_a_command_was_refused_is_masked_as_what_was_asked_is(api_as, platform) -> None:
    rows = platform.schemas.all()
    rows.append(
        {**rows[0], "type": "command.refused", "schema": CommandRefused.model_json_schema()}
    )
    platform.schemas.all = lambda: rows
    event = platform.data["events"][0]
    event |= {"type": "command.refused", "data": {
        "command": "card.charge", "actor": "user:ann", "kind": "invalid-command",
        "detail": f"card: Value error, {SECRET} is bad",
        "problems": [{"field": "card", "problem": f"got {SECRET!r}"}]}}  # fmt: skip
    shown = api_as("read").get(f"/events/{event['id']}")
    assert SECRET not in shown.text and "invalid-command" in shown.text
    assert SECRET in api_as("operate").get(f"/events/{event['id']}").text


@pytest.mark.parametrize(("condition", "status"), [
    ("card=4242-4242-4242", 422), ("data.card=4", 422), ("card.deep=4", 422),
    ("customer.note=card", 200), ("customer.cards=3", 200), ("cardinal=1", 200),
])  # fmt: skip
def test_only_a_condition_on_a_masked_field_is_refused(
    api_as, secretive, condition, status
) -> None:
    found = api_as("read").get("/runs", query_string={"data": condition})
    assert found.status_code == status
    other = api_as("read").get("/runs", query_string={"data": condition, "type": "parcel.sent"})
    assert other.status_code == 200


def test_tokens_see_by_their_scope(api_as, secretive) -> None:
    letter = secretive.data["letters"][0]["id"]
    shown = api_as("read").get(f"/dead-letters/{letter}").get_json()
    assert shown["event"]["data"] == {"amount": 1, "card": MASK}
    assert SECRET not in str(shown) and MASK in shown["attempts"][0]["error"]
    assert SECRET in api_as("operate").get(f"/dead-letters/{letter}").text


def test_a_search_finds_nothing_by_what_is_masked(api_as, secretive) -> None:
    for noun in ("events", "dead-letters"):
        assert api_as("read").get(f"/{noun}?q={SECRET[:6]}").get_json()["items"] == []
    assert api_as("operate").get(f"/events?q={SECRET[:6]}").get_json()["items"]


@pytest.mark.parametrize("guess", [
    "data.card.startsWith('4242')", "event.data.card.startsWith('4242')",
    "event.data['ca' + 'rd'].startsWith('4')", "size(data.card) == 14",
    "!(data.card.startsWith('5'))", "event.data.exists(k, event.data[k] == '4242-4242-4242')",
])  # fmt: skip
def test_an_expression_is_asked_of_what_is_shown(api_as, browser_of, secretive, guess) -> None:
    from app.events.event import Event

    masked = api_as("read").get("/events", query_string={"expression": guess, "limit": 1000})
    told = {event["id"] for event in masked.get_json().get("items", [])}
    everything = {event["id"] for event in secretive.data["events"]}
    assert told in (set(), everything)  # the same for every secret
    for event in secretive.data["events"]:
        event["data"]["card"] = "5"
    other = api_as("read").get("/events", query_string={"expression": guess, "limit": 1000})
    assert {event["id"] for event in other.get_json().get("items", [])} == told
    secretive.topics.follow = lambda *a: iter(
        [Event(type="order.placed", data={"amount": 1, "card": card}) for card in (SECRET, "5")]
    )
    stream = api_as("read").get("/events/stream", query_string={"expression": guess}).text
    assert stream.count("event: event") in (0, 2)
    page = browser_of("viewer").get("/tail", query_string={"expression": guess}).text
    assert SECRET not in page.partition("<tbody>")[2].partition("</tbody>")[0]


def test_a_stream_is_masked_too(api_as, secretive) -> None:
    from app.events.event import Event

    event = Event(type="order.placed", data={"amount": 2, "card": SECRET})
    secretive.topics.follow = lambda *a: iter([event])
    text = api_as("read").get("/events/stream").text
    assert MASK in text and SECRET not in text


def test_a_step_of_an_aggregates_history_is_masked_with_what_it_changed(secretive) -> None:
    step = {"version": 3, "position": 9, "type": "order.placed", "event": "e1", "actor": "user:ann",
            "data": {"amount": 1, "card": SECRET},
            "changes": [{"path": "card", "before": None, "after": SECRET}]}  # fmt: skip
    shown = Masks(secretive).applied(Page([step], None))
    assert SECRET not in str(shown.items)
    assert shown.items[0]["data"] == {"amount": 1, "card": MASK}
    assert "past" in PARTS
