"""The processes of an installation, as `up` starts them on one machine.

The Procfile starts the same ones; a test holds the two in step.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import config
from config.settings import VARIABLES, Settings

# One worker for what must be quick, one for trainings, which may take an hour, and one for
# the archive and the console's rows: no slow handler makes the console stale, and no burst
# that is being archived delays a handler.
WORKER_LANES = "default,inference"
TRAINER_LANES = "training"
PROJECTOR_LANES = "system"
# By its whole path, since `up` may be run from another folder.
GUNICORN = Path(config.__file__).parent / "gunicorn.py"
ROOT_WARNING = "ignore:You're running the worker with superuser privileges"


def commands() -> dict[str, list[str]]:
    """The command line of each process that runs for good."""
    python = [sys.executable, "-m"]
    return {
        "web": [*python, "gunicorn", "-c", str(GUNICORN), "web:create_app()"],
        "worker": [*python, *_celery("worker", WORKER_LANES, slots=2)],
        "trainer": [*python, *_celery("trainer", TRAINER_LANES, slots=1)],
        "projector": [*python, *_celery("projector", PROJECTOR_LANES, slots=1)],
    }


def workers() -> int:
    """How many of them are Celery workers."""
    return sum("celery" in command for command in commands().values())


def _celery(name: str, lanes: str, slots: int) -> list[str]:
    start = ["celery", "-q", "-A", "workers", "worker", "-n", f"{name}@%h", "-Q", lanes]
    return [*start, "-c", str(slots), "--without-gossip", "--without-mingle", "--without-heartbeat"]


def environment(
    settings: Settings, redis_url: str, given: Mapping[str, str] | None = None
) -> dict[str, str]:
    """What they need to know: what this process was given, and what it found out."""
    environment = dict(os.environ if given is None else given)
    environment.pop(VARIABLES["admin_password"], None)  # only the first start needs it
    return environment | {
        "PORT": str(settings.port),
        "REDIS_URL": redis_url,
        "PENSTOCK_SECRET_KEY": settings.secret_key.get_secret_value(),
        "PENSTOCK_DATA_DIR": str(settings.data_dir),
        "PENSTOCK_LOG_FORMAT": "text" if settings.log_format == "auto" else settings.log_format,
        "PYTHONUNBUFFERED": "1",
        # Less than the time after which `up` kills, so that what a handler holds is handed back.
        "PENSTOCK_GRACE_SECONDS": environment.get("PENSTOCK_GRACE_SECONDS") or "5",
        # In a container all is root's; saying so for each worker helps nobody.
        "PYTHONWARNINGS": environment.get("PYTHONWARNINGS") or ROOT_WARNING,
    }
