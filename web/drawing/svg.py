"""The one way to write an SVG element: everything is escaped, nothing is concatenated."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

Child = str | Markup | None


def tag(name: str, /, *children: Child, **attributes: object) -> Markup:
    """An element. `class_` is class, `stroke_width` is stroke-width, None leaves it out."""
    parts = [Markup("<"), Markup(name)]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        attribute = key.rstrip("_").replace("__", ":").replace("_", "-")
        shown = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value
        parts.append(Markup(' {}="{}"').format(Markup(attribute), shown))
    parts.append(Markup(">"))
    parts.extend(escape(child) for child in children if child is not None)
    parts.append(Markup("</{}>").format(Markup(name)))
    return Markup("").join(parts)


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
