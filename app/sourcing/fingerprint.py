"""A hash of the code that builds a state, so that a snapshot never outlives what made it.

It covers the functions given and, from these, each function and plain constant of the same package
that they name: a helper that changes counts as much as its caller. Comments and layout don't.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import textwrap
from collections.abc import Iterable
from types import CodeType, FunctionType
from typing import Any

_MADE = "2"
"""Since when snapshots are taken of what is read back as it was; those from before are not read."""
_CONSTANTS = (str, int, float, bool, bytes, type(None))


def fingerprint(*parts: Any, functions: Iterable[Any], owner: type | None = None) -> str:
    """32 hex digits. `parts` are whatever else must stay the same; `owner` is the functions' class."""
    seen: dict[str, str] = {}
    for function in functions:
        _visit(function, owner, seen)
    text = "\n".join([_MADE, *map(str, parts), *(f"{name}={seen[name]}" for name in sorted(seen))])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _visit(function: Any, owner: type | None, seen: dict[str, str]) -> None:
    function = inspect.unwrap(function)
    if not isinstance(function, FunctionType):
        return
    name, source = f"{function.__module__}.{function.__qualname__}", _source(function)
    while seen.get(name, source) != source:
        name += "'"  # another of the same name: two lambdas, or two functions called _
    if name in seen:
        return
    seen[name] = source
    home = function.__module__.partition(".")[0]
    for named in _names(function.__code__):
        used = function.__globals__.get(named, getattr(owner, named, None))
        if isinstance(used, property):
            used = used.fget
        if isinstance(used, FunctionType):
            if used.__module__.partition(".")[0] == home:
                _visit(used, owner, seen)
        elif isinstance(used, _CONSTANTS) and named in function.__globals__:
            seen[f"{function.__module__}.{named}"] = repr(used)


def _names(code: CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names


def _source(function: FunctionType) -> str:
    """The syntax tree of a function; where its text can't be had, its byte code."""
    try:
        return ast.dump(ast.parse(textwrap.dedent(inspect.getsource(function))))
    except (OSError, SyntaxError, TypeError):
        code = function.__code__
        return f"{code.co_code.hex()} {code.co_names} {sorted(map(repr, code.co_consts))}"
