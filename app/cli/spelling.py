"""How a person on this terminal writes our commands, so that what we print can be pasted."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from config.settings import VARIABLES, Settings

USUAL = Settings.model_fields["handlers"].default


def our_command(settings: Settings) -> str:
    """`python -m app` with this Python, and with the data folder and the handlers where they aren't the usual ones."""
    here = Path.cwd()
    python = Path(sys.executable)
    if python.is_relative_to(here):
        python = python.relative_to(here)
    command = f"{shlex.quote(str(python))} -m app"
    if settings.handlers != USUAL:
        command = f"{VARIABLES['handlers']}={shlex.quote(','.join(settings.handlers))} {command}"
    if settings.data_dir != here / ".penstock":
        command = f"{VARIABLES['data_dir']}={shlex.quote(os.fspath(settings.data_dir))} {command}"
    return command
