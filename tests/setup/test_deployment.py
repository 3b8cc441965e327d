"""The Procfile, the compose file and `up` start the same processes."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from app.cli import processes
from app.subscriptions.declaration import LANES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def procfile():
    lines = (ROOT / "Procfile").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines if line.strip())


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def without_name(arguments: list[str]) -> list[str]:
    """A command without the node's name, which differs by where it runs."""
    if "-n" not in arguments:
        return arguments
    at = arguments.index("-n")
    return arguments[:at] + arguments[at + 2 :]


def test_everywhere_has_the_same_processes(procfile, compose):
    assert set(procfile) == {"release", *processes.commands()}
    assert set(compose["services"]) == {"redis", "postgres", *procfile}


@pytest.mark.parametrize("name", sorted(processes.commands()))
def test_a_process_is_started_the_same_everywhere(procfile, compose, name):
    deployed = without_name(shlex.split(procfile[name]))
    assert without_name(compose["services"][name]["command"]) == deployed
    # `up` says which Python and where our files are, so that it needs no PATH and no folder.
    started = [part.removeprefix(f"{ROOT}/") for part in processes.commands()[name]]
    assert without_name(started)[2:] == deployed


def test_the_celery_command_finds_the_application(tmp_path):
    """It takes the working folder out of the import path, where ours are."""
    done = subprocess.run(
        [Path(sys.executable).with_name("celery"), "-A", "workers", "report"],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "PENSTOCK_SECRET_KEY": "s" * 40,
            "PENSTOCK_DATA_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert "task_ignore_result: True" in done.stdout


def test_the_release_step_migrates(procfile, compose):
    assert procfile["release"] == "python -m app migrate"
    assert compose["services"]["release"]["command"] == ["python", "-m", "app", "migrate"]


def test_each_lane_is_served_by_one_kind_of_process():
    """No training, and no burst that is archived, keeps an event of another lane waiting."""
    groups = (processes.WORKER_LANES, processes.TRAINER_LANES, processes.PROJECTOR_LANES)
    served = [lane for group in groups for lane in group.split(",")]
    assert sorted(served) == sorted(LANES)


def test_compose_keeps_events_and_records(compose):
    server = compose["services"]["redis"]
    assert "--appendonly" in server["command"]
    assert server["volumes"] == ["events:/data"]
    assert compose["services"]["postgres"]["volumes"]
    assert set(compose["volumes"]) == {"events", "records"}


def test_every_process_has_what_it_needs(compose):
    for name in ("release", *processes.commands()):
        environment = compose["services"][name]["environment"]
        assert {"REDIS_URL", "DATABASE_URL", "PENSTOCK_SECRET_KEY"} <= set(environment)
        assert set(compose["services"][name]["depends_on"]) == {"redis", "postgres"}
