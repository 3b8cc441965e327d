"""A whole platform on a real server and on each kind of database."""

from tests.support.platforms import platform

__all__ = ["platform"]
