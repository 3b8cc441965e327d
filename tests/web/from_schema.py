"""Values that fit a JSON Schema of our document, and values that don't.

Only the words that `web.api.shapes` uses are known; another one fails the test that meets it, so
that nothing is silently taken as "anything".
"""

from __future__ import annotations

from datetime import UTC
from typing import Any

from hypothesis import strategies as st

Schema = dict[str, Any]

KNOWN = {
    "type", "properties", "required", "additionalProperties", "items", "minItems", "maxItems",
    "enum", "const", "anyOf", "oneOf", "minimum", "maximum", "exclusiveMinimum", "minLength",
    "maxLength", "format", "minProperties", "pattern", "description", "default",
}  # fmt: skip
ODD = (
    "", " ", "\x00", "'", '"', "%", "_", "..", "../../etc/passwd", "a\r\nX-Injected: 1", "\u202e",
    "🦆", "=1+1", "null", "-1", "9" * 40, "1e999", "NaN", "0x10", "é" * 900, "a,b", "{}", "[]",
    "<script>alert(1)</script>", "1; DROP TABLE runs", "2026-13-45", "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z", "$", "\ud800".encode("utf-8", "replace").decode(), "W10", "id",
)  # fmt: skip
odd_text = st.sampled_from(ODD) | st.text(max_size=12)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | odd_text
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_text, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def fitting(schema: Schema) -> st.SearchStrategy[Any]:
    """Values that fit `schema`."""
    unknown = set(schema) - KNOWN
    assert not unknown, f"this generator does not know {unknown}"
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return st.one_of([fitting(each) for each in schema[word]])
    kinds = schema.get("type")
    if kinds is None:
        return anything
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return st.one_of([_OF_KIND[kind](schema) for kind in kinds])


def unfitting(schema: Schema) -> st.SearchStrategy[Any]:
    """Mostly values that don't fit: anything at all, or one with a part replaced by anything."""
    if schema.get("type") == "object" and schema.get("properties"):
        return st.builds(
            lambda good, key, bad: {**good, key: bad},
            fitting(schema), st.sampled_from([*schema["properties"], "surprise"]), anything,
        )  # fmt: skip
    return anything


def _text(schema: Schema) -> st.SearchStrategy[str]:
    if schema.get("format") == "date-time":
        return st.datetimes(timezones=st.just(UTC)).map(lambda t: t.isoformat())
    if schema.get("format") == "binary":
        return st.just("")
    least, most = schema.get("minLength", 0), schema.get("maxLength", 2000)
    return odd_text.filter(lambda text: least <= len(text) <= most)


def _number(schema: Schema) -> st.SearchStrategy[float]:
    least = schema.get("minimum", schema.get("exclusiveMinimum"))
    return st.floats(
        least, schema.get("maximum"), exclude_min="exclusiveMinimum" in schema,
        allow_nan=False, allow_infinity=False,
    )  # fmt: skip


def _object(schema: Schema) -> st.SearchStrategy[dict[str, Any]]:
    properties = {name: fitting(each) for name, each in schema.get("properties", {}).items()}
    needed = set(schema.get("required", ()))
    named = st.fixed_dictionaries(
        {name: each for name, each in properties.items() if name in needed},
        optional={name: each for name, each in properties.items() if name not in needed},
    )
    more = schema.get("additionalProperties")
    if isinstance(more, dict):
        return st.dictionaries(odd_text, fitting(more), max_size=2)
    if not properties:
        least = schema.get("minProperties", 0)
        return st.dictionaries(odd_text, anything, min_size=least, max_size=3)
    return named.filter(lambda value: len(value) >= schema.get("minProperties", 0))


_OF_KIND = {
    "null": lambda schema: st.none(),
    "boolean": lambda schema: st.booleans(),
    "integer": lambda s: st.integers(s.get("minimum"), s.get("maximum")),
    "number": _number,
    "string": _text,
    "array": lambda s: st.lists(
        fitting(s.get("items", {})), min_size=s.get("minItems", 0),
        max_size=min(3, s.get("maxItems", 3)),
    ),
    "object": _object,
}  # fmt: skip
