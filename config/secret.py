"""A secret that is made once and kept in a file that only its owner reads."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from config.errors import SettingsError


def kept_secret(path: Path) -> str:
    """The text in `path`; made and written with mode 0600 where there is none.

    Two processes that start at once agree on one: the file appears whole or not at all.
    """
    try:
        if found := _read(path):
            return found
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was first: its secret is the one
        finally:
            draft.unlink()
        return _read(path)
    except OSError as error:
        raise SettingsError(
            f"The secret can't be kept in {path} ({error.strerror}): make the folder writable, "
            "or set PENSTOCK_SECRET_KEY"
        ) from None


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""
