"""One sprite of the icons that the console uses, made from the lucide package.

Templates write `ui.icon("clock")`; a name that is not listed here is an error
at once, and not a hole in the page.
"""

from __future__ import annotations

import re
from functools import cache

import lucide
from markupsafe import Markup

NAMES = (
    "archive", "ban", "box", "check", "chevron-right", "circle",
    "circle-check", "circle-dot", "circle-pause", "clock", "database", "download", "eye",
    "file-text", "git-branch", "rotate-ccw-clock",
    "info", "inbox", "key", "keyboard", "list", "log-out", "moon", "octagon-x", "pause", "pencil", "play",
    "plus", "radio",
    "rotate-cw", "scale", "search", "server", "skip-back",
    "skip-forward", "sun", "sun-moon", "trash", "triangle-alert",
    "trophy", "undo-2", "upload", "user", "users", "waypoints", "x", "zap",
)  # fmt: skip
_INSIDE = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)


@cache
def sprite() -> Markup:
    """All icons as symbols with the ids `i-NAME`, to stand once in a page."""
    symbols = []
    for name in NAMES:
        found = _INSIDE.search(lucide.lucide_icon(name))
        if found is None:
            raise LookupError(f"The lucide package has no icon {name!r}: choose another name.")
        symbols.append(f'<symbol id="i-{name}" viewBox="0 0 24 24">{found[1].strip()}</symbol>')
    return Markup('<svg class="sprite" aria-hidden="true">{}</svg>').format(
        Markup("".join(symbols))
    )


def icon(name: str, css: str = "") -> Markup:
    """One icon, hidden from readers of text: a word stands beside it, or a label around it."""
    if name not in NAMES:
        raise LookupError(f"The icon {name!r} is not in the sprite: add it to NAMES in icons.py.")
    return Markup('<svg class="icon {}" aria-hidden="true"><use href="#i-{}"/></svg>').format(
        css, name
    )
