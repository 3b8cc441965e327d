"""Which commands there are: what the imported modules declare, and what SQL knows of other processes' code.

The web process imports no author's code: it checks by what SQL knows. A worker carries out what
its own code has, and leaves what was given by other code to a worker of that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from app.cqrs.asked import absent, checked_key, invalid, refuse_level, validated
from app.cqrs.command import Command, Registry, shape_of
from app.errors import PenstockError, Unavailable
from app.events.catalogue import plain_data, schema_problems
from app.store import commands as store


class UnknownCommand(PenstockError):
    """No code that ever started here has this command: its delivery is parked, for a person to see."""


class Known:
    """The part of `platform.commands` that knows them."""

    def __init__(self, platform: Any, registry: Registry):
        self.platform = platform
        self.registry = registry

    def declare(self) -> None:
        """Make known what the imported modules declare."""
        declared = [one.describe() for one in self.registry.commands.values()]
        with self.platform.database.session() as session:
            store.declare(session, declared)

    def forget(self, names: Iterable[str]) -> None:
        """Those that no worker's code has any more; what waits of them is parked."""
        if gone := list(names):
            with self.platform.database.session() as session:
                store.undeclare(session, gone)

    def takes(self) -> dict[str, str]:
        """The commands of the imported modules, each with a digest of what it takes."""
        return {name: one.shape for name, one in self.registry.commands.items()}

    def rows(self) -> list[tuple[str, str, str]]:
        """Those that SQL knows: name, module, and the digest of what each takes."""
        with self.platform.database.read() as session:
            return [
                (row.name, row.module, shape_of(row.level, row.json_schema))
                for row in store.known(session)
            ]

    def list(self) -> list[dict[str, Any]]:
        """`{"name", "level", "schema", "doc"}` of each command, by name."""
        with self.platform.database.read() as session:
            found = {row.name: row.model_dump() for row in store.known(session)}
        found |= {name: one.describe() for name, one in self.registry.commands.items()}
        return [
            {"name": name, "level": one["level"], "schema": one["json_schema"], "doc": one["doc"]}
            for name, one in sorted(found.items())
        ]

    def get(self, name: str) -> dict[str, Any]:
        """One of them. Raises `NotFound`."""
        found = next((one for one in self.list() if one["name"] == name), None)
        if found is None:
            raise absent(name)
        return found

    def check(self, name: str, asked: Any, key: str | None = None) -> str:
        """What our own code is about to give; the digest of what the command takes.

        Raises `NotFound`, `InvalidCommand` or `Refused`.
        """
        checked_key(key)
        asked = plain_data(asked)
        one = self.registry.commands.get(name)
        if one is not None:
            validated(one, asked)
            return one.shape
        known = self.get(name)
        if problems := schema_problems(known["schema"], asked):
            raise invalid(name, problems)
        return shape_of(known["level"], known["schema"])

    def check_here(self, name: str, takes: str | None) -> None:
        """That this worker has the code by which it was given. No refusal to be kept where not: in a
        deploy another has it. Where none has any more, ours is what there is.
        """
        one = self.registry.commands.get(name)
        if one is not None and takes in (one.shape, None):
            return
        said = {code.commands.get(name) for code in self.platform.workers.code() if code} - {None}
        said |= {known for row, _, known in self.rows() if row == name}
        if one is None and not said:
            raise UnknownCommand(str(absent(name)))
        if one is None or takes in said:
            raise Unavailable(
                f"This worker's code has no command {name!r} as it was given, and another's has: it is tried"
                " again until that one takes it. Restart the workers that run an older release."
            )

    def allowed(self, name: str, actor: str, may: Collection[str]) -> Command:
        one = self.registry.commands.get(name)
        if one is None:
            raise absent(name)
        refuse_level(name, one.level, actor, may)
        return one
