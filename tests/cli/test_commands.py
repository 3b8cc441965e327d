"""Each command shows what the platform answers, as a table or as JSON, and says how it went."""

from __future__ import annotations

import getpass
import json

import pytest

from app.cli import COMMANDS

LISTS = [
    ["topics"],
    ["subscriptions", "list"],
    ["dead-letters", "list"],
    ["dead-letters", "groups"],
    ["replays", "list"],
    ["runs", "list"],
    ["projections"],
    ["users", "list"],
    ["tokens", "list"],
]


@pytest.mark.parametrize("command", LISTS, ids=" ".join)
def test_a_list_is_a_table_or_json(platform, run, command):
    table = run(*command)
    assert table.status == 0
    assert len(table.output.splitlines()) > 1
    answer = json.loads(run(*command, "--json").output)
    assert answer["items"]
    assert "next" in answer


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help_with_an_example(run, command):
    told = run(command, "--help")
    assert told.status == 0
    assert f"python -m app {command}" in told.output
    assert "Example" in told.output


def test_the_help_lists_every_command_of_the_contract(run):
    told = run("--help")
    assert told.status == 0
    for name in COMMANDS:
        assert f"\n  {name} " in told.output


def test_a_list_says_how_to_go_on(platform, run):
    first = run("dead-letters", "list", "--limit", "2", "--json")
    cursor = json.loads(first.output)["next"]
    second = run("dead-letters", "list", "--limit", "2", "--cursor", cursor, "--json")
    ids = [item["id"] for item in json.loads(first.output + "")["items"]]
    assert ids != [item["id"] for item in json.loads(second.output)["items"]]
    assert f"--cursor {cursor}" in run("dead-letters", "list", "--limit", "2").errors


def test_one_event_is_published_with_its_attributes(platform, run):
    ran = run("publish", "order.placed", '{"amount": 42}', "--key", "ann", "--subject", "o-1",
              "--id", "one", "--source", "shop")  # fmt: skip
    assert ran.status == 0
    event = platform.publisher.published[0]
    assert event["data"] == {"amount": 42}
    assert (event["partitionkey"], event["subject"]) == ("ann", "o-1")
    assert (event["id"], event["source"]) == ("one", "shop")
    again = run("publish", "order.placed", '{"amount": 42}', "--id", "one", "--source", "shop",
                "--json")  # fmt: skip
    assert json.loads(again.output) == {"accepted": 0, "duplicates": 1, "ids": ["one"]}


def test_a_refused_event_is_one_line_and_status_1(platform, run):
    ran = run("publish", "order.placed", "{}")
    assert ran.status == 1
    assert ran.errors.splitlines() == [
        "Error: data.amount: Input should be a valid number. Nothing was published."
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["publish", "order.placed", "{not json}"],
        ["publish", "order.placed", "1", "--after", "soon"],
        ["publish", "--key", "ann"],
        ["runs", "list", "--since", "yesterday"],
        ["dead-letters", "replay"],
        ["dead-letters", "replay", "id", "--group", "g"],
        ["tokens", "create", "ci"],
        ["nonsense"],
        ["users", "add", "ann", "--role", "king"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_status_2_and_changes_nothing(platform, run, arguments):
    ran = run(*arguments)
    assert ran.status == 2
    assert "Error: " in ran.errors
    assert platform.publisher.published == []


def test_tail_shows_events_and_ends_after_n(platform, run):
    ran = run("tail", "--from-start", "--json", "-n", "3")
    assert ran.status == 0
    assert [json.loads(line)["specversion"] for line in ran.output.splitlines()] == ["1.0"] * 3
    assert len(run("tail", "--from-start", "-n", "2").output.splitlines()) == 2


def test_a_subscription_is_paused_and_resumed(platform, run):
    name = "workers.handlers.train"
    assert run("subscriptions", "pause", name, "--reason", "the disk is full").status == 0
    assert (
        f"paused by cli:{getpass.getuser()}: the disk is full"
        in run("subscriptions", "list").output
    )
    assert run("subscriptions", "pause", name).status == 1
    assert run("subscriptions", "resume", name).status == 0
    assert platform.subscriptions.get(name)["paused"] is None


def test_a_rewind_says_what_it_does_and_judges_its_time_before_it_asks(platform, run):
    train = "workers.handlers.train"
    assert "leave out all that waits" in run("subscriptions", "rewind", train, "--to", "now").output
    wrong = run("subscriptions", "rewind", train, "--to", "yesterdayish")
    assert "is no time" in wrong.errors and "Go on?" not in wrong.output + wrong.errors


def test_a_rewind_asks_first(platform, run):
    asked = run("subscriptions", "rewind", "workers.handlers.train", "--to", "2h")
    assert asked.status != 0
    assert platform.audit.find().items[0]["action"] != "subscription.rewound"
    assert (
        run("subscriptions", "rewind", "workers.handlers.train", "--to", "2h", "--yes").status == 0
    )
    assert platform.audit.find().items[0]["action"] == "subscription.rewound"


def test_ending_a_case_asks_first(platform, run):
    ending = ("subscriptions", "end-case", "workers.handlers.train", "order-<b>7")
    assert "none of its code runs" in run(*ending).output
    assert platform.audit.find().items[0]["action"] != "case.ended"
    assert "Ended 1 of" in run(*ending, "--yes", "--reason", "lost").output
    assert platform.audit.find().items[0]["action"] == "case.ended"
    ran = run("subscriptions", "end-case", "workers.handlers.train", "order-9", "--yes")
    assert ran.status == 1 and "has no case" in ran.errors


def test_what_does_not_exist_is_one_line_and_status_1(platform, run):
    for command in (["runs", "show"], ["dead-letters", "show"], ["replays", "show"]):
        ran = run(*command, "nowhere")
        assert ran.status == 1
        assert len(ran.errors.splitlines()) == 1
        assert "nowhere" in ran.errors


def test_a_run_is_shown_with_its_steps(platform, run):
    id = platform.runs.find(state="failed").items[0]["correlationid"]
    told = run("runs", "show", id)
    assert "parked" in told.output
    assert json.loads(run("runs", "show", id, "--json").output)["correlationid"] == id


def test_dead_letters_are_previewed_replayed_and_discarded(platform, run):
    letters = platform.dead_letters.find().items
    dry = run("dead-letters", "replay", letters[0]["id"], "--dry-run", "--json")
    assert json.loads(dry.output)["total"] == 1
    ran = run("dead-letters", "replay", "--group", letters[0]["group"], "--canary", "5", "--rate",
              "10", "--json")  # fmt: skip
    replay = platform.replays.get(json.loads(ran.output)["id"])
    assert replay["options"] == {"canary": 5, "rate": 10.0, "reason": "", "prepared_edits": False}
    assert replay["selection"] == {"group": letters[0]["group"]}
    other = platform.dead_letters.find().items[0]["id"]
    assert run("dead-letters", "discard", other, "--yes").output == "Discarded 1.\n"


def test_an_added_user_can_sign_in_with_the_password_that_was_shown(platform, run):
    ran = run("users", "add", "ann", "--role", "operator", "--json")
    assert platform.users.verify("ann", json.loads(ran.output)["password"]).role == "operator"
    ran = run("users", "password", "ann", "--json")
    assert platform.users.verify("ann", json.loads(ran.output)["password"])
    assert "password" not in run("users", "list", "--json").output


def test_a_token_works_until_it_is_revoked(platform, run):
    made = json.loads(run("tokens", "create", "ci", "--scope", "read", "--json").output)
    assert platform.tokens.verify(made["secret"]).scopes == ["read"]
    assert run("tokens", "revoke", made["id"]).status == 0
    assert platform.tokens.verify(made["secret"]) is None


def test_sessions_are_listed_and_ended(run, platform) -> None:
    id = platform.sessions.begin("ann", "10.0.0.7", "a browser")
    assert "10.0.0.7" in run("sessions", "list", "--user", "ann").output
    assert "The session of ann is over" in run("sessions", "end", id).output
    assert "Nobody is signed in" in run("sessions", "list", "--user", "ann").output
    assert run("sessions", "end", "nope").status == 1
    assert platform.audit.find(action="session.revoked").items
