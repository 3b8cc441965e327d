"""The command line on a fake platform: what it asks for, and how it renders the answer."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pytest

from app import cli
from tests.web.fakes import FakePlatform

ON_A_PLATFORM = (
    "publish", "tail", "find", "events", "webhooks", "topics", "subscriptions", "cases", "dead_letters",
    "replays", "runs", "projections", "users", "tokens", "sessions",
)  # fmt: skip


@dataclass
class Ran:
    status: int
    output: str
    errors: str


Run = Callable[..., Ran]


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> FakePlatform:
    fake = FakePlatform()

    @contextmanager
    def opened() -> Iterator[Any]:
        yield fake

    for name in ON_A_PLATFORM:
        monkeypatch.setattr(import_module(f"app.cli.{name}"), "opened", opened)
    return fake


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run one command as `python -m app` does, in this process."""

    monkeypatch.setattr("sys.stdin", io.StringIO())  # nobody answers a question

    def run(*arguments: str) -> Ran:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main(list(arguments))
        told = capfd.readouterr()
        return Ran(int(ended.value.code or 0), told.out, told.err)

    return run
