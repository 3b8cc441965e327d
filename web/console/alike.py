"""Events of a run that say the same again: of one type and one cause, taken by nobody, causing nothing.

A long training tells its progress a dozen times. Each is an event like any other, but drawn one
by one they push what matters off the page: together they are one pill and one line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

FEWEST = 3
Step = Mapping[str, Any]


def folded(steps: Sequence[Step]) -> list[Step]:
    """The steps, with such events as one: the last of them, in the first one's place, with all in `alike`."""
    causes = {step["causationid"] for step in steps}
    groups: dict[tuple[str, str | None], list[Step]] = {}
    for step in steps:
        if step["subscription"] is None and step["event"] not in causes:
            groups.setdefault((step["type"], step["causationid"]), []).append(step)
    found: list[Step] = []
    for step in steps:
        group = groups.get((step["type"], step["causationid"]), [])
        if len(group) < FEWEST or step not in group:
            found.append(step)
        elif step is group[0]:
            found.append({**group[-1], "alike": group})
    return found
