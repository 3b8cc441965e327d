"""The lint of event types: what changed since it was last written to SQL, and can't be read any more.

Old events stay as they are for ever. So a class may only change in ways that read them all the
same (a new field with a default); for anything else the type gets its next version and an
upcaster. Run before a release (`python -m app doctor`): when the new workers start, they write
their schemas to SQL, and the old ones of the same version are gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from app.events.schema import EventTypes


def problems(types: EventTypes, stored: Iterable[Mapping[str, Any]]) -> list[str]:
    """What is wrong, a sentence each with its cure. `stored` has `type`, `version` and `schema`."""
    found: list[str] = []
    for row in sorted(stored, key=lambda row: (row["type"], row["version"])):
        name, version = row["type"], row["version"]
        newest = types.current(name)
        if newest is None:
            continue  # another process's, or retired
        known = types.versions[name].get(version)
        if known is not None:
            for change in changes(row["schema"], known.json_schema()):
                found.append(
                    f"{name} version {version} has changed: {change}. Give the class "
                    f'version={version + 1}, and write @upcast("{name}", {version}).'
                )
        missing = [n for n in range(version, newest.version) if (name, n) not in types.upcasters]
        if missing and version < newest.version:
            steps = ", ".join(f'@upcast("{name}", {n})' for n in missing)
            found.append(
                f"{name} version {version} can't be read as {newest.version}: write {steps}."
            )
    return found


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What data that fitted the schema before may not fit, or lose, now."""
    old, new = before.get("properties", {}), after.get("properties", {})
    found = [f"the field {name} is gone" for name in old if name not in new]
    required = set(after.get("required", ())) - set(before.get("required", ()))
    for name in sorted(required):
        found.append(f"the field {name} is {'new and ' if name not in old else ''}required")
    for name in old:
        if name in new and _kind(old[name], before) != _kind(new[name], after):
            found.append(f"the field {name} is of another type")
    return found


def _kind(schema: Any, root: Mapping[str, Any], depth: int = 0) -> Any:
    """A schema without its words, with what it refers to in place."""
    if isinstance(schema, Mapping):
        reference = schema.get("$ref")
        if isinstance(reference, str) and depth < 8:
            return _kind(root.get("$defs", {}).get(reference.rpartition("/")[2]), root, depth + 1)
        words = ("title", "description", "default", "examples")
        return {
            key: _kind(value, root, depth)
            for key, value in schema.items()
            if key not in words or isinstance(value, Mapping)
        }
    return [_kind(each, root, depth) for each in schema] if isinstance(schema, list) else schema
