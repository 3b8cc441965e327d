"""How values are written for people: times, spans, counts, sizes, names. Pure.

A moment may come as a datetime, an RFC 3339 string, seconds since 1970 or a
position in a topic (which begins with milliseconds). What is not known is
written as a dash, never as a wrong number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from markupsafe import Markup, escape

from web.drawing.svg import clip

UNKNOWN = "–"
LONGEST_NAME = 60
_POSITION = re.compile(r"\d{10,15}-\d+")
Moment = datetime | str | float | int | None


def moment(value: Moment) -> datetime | None:
    """The instant as an aware UTC datetime, or None where there is none to read."""
    if value is None or value == "":
        return None
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, UTC)
    if isinstance(value, str):
        return _read(value)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


@lru_cache(maxsize=4096)  # a page of charts reads each of its moments many times
def _read(text: str) -> datetime | None:
    if _POSITION.fullmatch(text):
        return datetime.fromtimestamp(int(text.partition("-")[0]) / 1000, UTC)
    try:
        return moment(datetime.fromisoformat(text))
    except ValueError:
        return None


def iso(value: Moment) -> str:
    """The instant as RFC 3339 with milliseconds."""
    at = moment(value)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else ""


def exact(value: Moment) -> str:
    """The instant in full, to the millisecond."""
    at = moment(value)
    return f"{at.isoformat(' ', 'milliseconds')[:23]} UTC" if at else UNKNOWN


def seconds_between(start: Moment, end: Moment) -> float | None:
    first, last = moment(start), moment(end)
    return (last - first).total_seconds() if first and last else None


def span(seconds: float | None) -> str:
    """40 ms, 4.1 s, 38 s, 3 m 12 s, 2 h 4 m, 3 d 2 h."""
    if seconds is None:
        return UNKNOWN
    seconds = max(seconds, 0.0)
    if seconds < 0.9995:
        return "0 s" if seconds < 0.0005 else f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    whole = round(seconds)
    for big, name, small, letter in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "m"),
        (60, "m", 1, "s"),
    ):
        if whole >= big:
            rest = whole % big // small
            return f"{whole // big} {name} {rest} {letter}" if rest else f"{whole // big} {name}"
    return f"{whole} s"


def ago(value: Moment, now: datetime) -> str:
    """now, 12 s ago, 3 m ago, 2 h ago, 5 d ago; `in 3 m` for what is to come."""
    at = moment(value)
    if at is None:
        return UNKNOWN
    seconds = (now - at).total_seconds()
    if abs(seconds) < 2:
        return "now"
    whole = abs(seconds)
    for size, letter in ((86400, "d"), (3600, "h"), (60, "min")):
        if whole >= size:
            text = f"{int(whole // size)} {letter}"
            break
    else:
        text = f"{int(whole)} s"
    return f"in {text}" if seconds < 0 else f"{text} ago"


def count(value: int | float | None) -> str:
    """1,284; a dash for what is not known."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def plural(number: int, one: str, many: str | None = None) -> str:
    """`1 event`, `2,140 events`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def rate(per_second: float) -> tuple[str, str]:
    """A number and its unit, in a unit in which the number is readable: (`388`, `/s`)."""
    if per_second >= 9.5:
        return (f"{per_second / 1000:.1f}k" if per_second >= 10_000 else f"{per_second:,.0f}"), "/s"
    if per_second >= 0.95:
        return f"{per_second:.1f}", "/s"
    if per_second * 60 >= 0.95:
        return f"{per_second * 60:.0f}", "/min"
    return (f"{per_second * 3600:.0f}" if per_second > 0 else "0"), "/h" if per_second > 0 else "/s"


def rate_text(per_second: float) -> str:
    return " ".join(rate(per_second))


def size(octets: int | float | None) -> str:
    """480 B, 12.4 kB, 3.2 MB."""
    if octets is None:
        return UNKNOWN
    value = float(octets)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return UNKNOWN


def percent(share: float | None) -> str:
    return UNKNOWN if share is None else f"{share * 100:.1f}".rstrip("0").rstrip(".") + "%"


def metric(value: Any) -> str:
    """A metric with four digits that matter."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return UNKNOWN if value is None else str(value)
    return f"{value:.4f}" if abs(value) < 10 else f"{value:,.2f}"


def dotted(name: str) -> Markup:
    """A dotted name with its modules dimmed and places where it may break."""
    *before, last = name.split(".")
    if not before:
        return Markup('<span class="name">{}</span>').format(name)
    dim = Markup(".<wbr>").join(escape(part) for part in before)
    return Markup('<span class="name"><span class="dim">{}.<wbr></span>{}</span>').format(dim, last)


def breakable(text: str) -> Markup:
    """A long word of ours with chances to break after dots, slashes and underscores."""
    shown = str(escape(text))
    for mark in "._/-":
        shown = shown.replace(mark, f"{mark}<wbr>")
    return Markup(shown)


# Marks that turn the direction of all text after them: somebody's name could rewrite our sentence.
_TURNED = re.compile("[\u202a-\u202e\u2066-\u2069]")
_TURNING = {code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}


def steady(value: Any) -> Any:
    """What a template writes, with marks that turn the direction of text spelt out."""
    if not isinstance(value, str) or value.isascii() or not _TURNED.search(value):
        return value  # nearly always, and a drawing is long
    return value.translate(_TURNING)


_TICKED = re.compile("(`+)([^`]+)\\1")


def ticked(text: str) -> Markup:
    """Somebody's description, of which what stands in backticks is code."""
    parts = _TICKED.split(text)
    code = Markup("<code>{}</code>")
    return Markup("").join(
        code.format(part) if place % 3 == 2 else escape(part)
        for place, part in enumerate(parts)
        if place % 3 != 1
    )


def segment(name: object) -> str:
    """A name as one segment of an address, whatever letters it has."""
    return quote(str(name), safe="")


def error_parts(error: str | None) -> tuple[str, str]:
    """`ValueError: message` as its kind and its message."""
    if not error:
        return "", ""
    kind, colon, message = error.partition(":")
    if colon and kind.replace(".", "").replace("_", "").isidentifier():
        return kind.rsplit(".", 1)[-1], message.strip()
    return "", error


def error_line(error: str | None, most: int = 120) -> str:
    """An error in one line: its kind, and its message, whose first line says what matters."""
    kind, message = error_parts(error)
    line = (message.splitlines() or [""])[0]
    short = line if len(line) <= most else line[: most - 1] + "…"
    return ": ".join(part for part in (kind, short) if part)


def listed(words: Sequence[str], most: int = 3) -> str:
    """`a`, `a and b`, `a, b and 4 more`."""
    shown = list(words[:most])
    if len(words) > most:
        return f"{', '.join(shown)} and {len(words) - most} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)


REFUSALS = ("rejected", "refused", "failed", "rolledback", "cancelled")


def ended_as(run: Mapping[str, Any]) -> tuple[str, str]:
    """A run's state for the eye: how it is tinted, and its word.

    A run whose last event is a refusal did all its work and succeeded as a run; a person wants to
    know first that the answer was no.
    """
    state, outcome = str(run["state"]), str(run.get("outcome") or "")
    if state == "succeeded" and outcome.rpartition(".")[2] in REFUSALS:
        return "late", f"Succeeded: {outcome if len(outcome) <= 40 else outcome[:39] + '…'}"
    return state, state.capitalize()


def person(actor: str | None) -> str:
    """`user:admin` is admin, `token:ci` is the token ci, anything else is itself; cut where it is very long."""
    kind, _, name = (actor or UNKNOWN).partition(":")
    named = name if kind == "user" else f"token {name}" if kind == "token" else actor or UNKNOWN
    return clip(named, LONGEST_NAME)
