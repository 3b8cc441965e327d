"""The root of Penstock's errors, kept here because settings are read before anything else.

`app.errors` holds the whole family and shows these two again; import them from there.
"""

from __future__ import annotations


class PenstockError(Exception):
    """Base of every error that Penstock raises on purpose; its message is shown to people."""


class SettingsError(PenstockError):
    """A setting is wrong or missing; the message names it and the cure, in one line."""
