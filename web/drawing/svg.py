"""The one way to write an SVG element: everything is escaped, nothing is concatenated."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from markupsafe import Markup, escape

Child = str | Markup | None


def tag(name: str, /, *children: Child, **attributes: object) -> Markup:
    """An element. `class_` is class, `stroke_width` is stroke-width, None leaves it out."""
    # Plain texts joined once: Markup's own formatting took half of the time of a page of charts.
    parts = [f"<{name}"]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        if isinstance(value, float):
            shown = f"{value:.2f}".rstrip("0").rstrip(".")
        else:
            shown = str(value) if isinstance(value, int) else str(escape(value))
        parts.append(f' {_attribute(key)}="{shown}"')
    parts.append(">")
    parts.extend(str(escape(child)) for child in children if child is not None)
    parts.append(f"</{name}>")
    return Markup("".join(parts))


@cache
def _attribute(name: str) -> str:
    return name.rstrip("_").replace("__", ":").replace("_", "-")


def group(children: Iterable[Child], **attributes: object) -> Markup:
    """A `g` around many elements."""
    return tag("g", *children, **attributes)


def icon(name: str, x: float, y: float, size: float = 16, class_: str = "") -> Markup:
    """An icon of the page's sprite, placed inside a drawing."""
    return tag(
        "use", href=f"#i-{name}", x=x, y=y, width=size, height=size, class_=f"icon {class_}".strip()
    )


def clip(text: str, letters: int) -> str:
    """The text, or its beginning and end with an ellipsis where it is longer than that."""
    if len(text) <= letters:
        return text
    tail = max(1, (letters - 1) // 3)
    return f"{text[: letters - 1 - tail]}…{text[-tail:]}"
