"""How a person on this terminal writes our commands, so that what we print can be pasted."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from config.settings import VARIABLES, Settings


def our_command(settings: Settings) -> str:
    """`python -m app` with this Python, and with the data folder where it isn't the usual one."""
    here = Path.cwd()
    python = Path(sys.executable)
    if python.is_relative_to(here):
        python = python.relative_to(here)
    command = f"{shlex.quote(str(python))} -m app"
    if settings.data_dir != here / ".penstock":
        return f"{VARIABLES['data_dir']}={shlex.quote(os.fspath(settings.data_dir))} {command}"
    return command
