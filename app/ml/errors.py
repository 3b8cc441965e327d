"""What can be wrong with a table, a row or an artefact, in words for a person."""

from __future__ import annotations

from app.errors import PenstockError


class Unreadable(PenstockError):
    """A file can't be read as a table; the message says why and what to upload instead."""


class Incompatible(PenstockError):
    """A model can't be applied to a table: columns or the task differ; the message names them."""


class UntrustedArtefact(PenstockError):
    """An artefact is damaged or holds a type that is not on the allow-list; it was not loaded."""
