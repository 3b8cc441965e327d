"""Rigs for the tests that break the engine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.engine.rig import Rig, make_template


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty database to copy."""
    folder = tmp_path_factory.mktemp("template") / "data"
    make_template(folder)
    return folder


@contextmanager
def _rigs(template: Path) -> Iterator[Callable[..., Rig]]:
    """Makes rigs, and ends them."""
    made: list[Rig] = []
    # A short path, since the server's socket is in it.
    with tempfile.TemporaryDirectory(prefix="engine-") as folder:

        def make(**options: Any) -> Rig:
            rig = Rig(Path(folder) / str(len(made)), template, **options)
            made.append(rig)
            return rig

        try:
            yield make
        finally:
            for rig in made:
                rig.close()


@pytest.fixture
def make_rig(template: Path) -> Iterator[Callable[..., Rig]]:
    """Makes rigs, and ends them after the test."""
    with _rigs(template) as make:
        yield make


@pytest.fixture(scope="module")
def make_shared_rig(template: Path) -> Iterator[Callable[..., Rig]]:
    """Makes rigs that the tests of a module share, each of which begins with `forget`."""
    with _rigs(template) as make:
        yield make


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    """A server that keeps nothing, and no worker yet."""
    return make_rig()


@pytest.fixture(scope="module")
def started(make_shared_rig: Callable[..., Rig]) -> Callable[[str], Rig]:
    """A shared installation with one worker of a pool (three slots), started at the first use."""
    rigs: dict[str, Rig] = {}

    def with_worker(pool: str) -> Rig:
        if pool not in rigs:
            rigs[pool] = make_shared_rig()
            rigs[pool].start(pool=pool, slots=3).ready()
        rigs[pool].forget()
        return rigs[pool]

    return with_worker
