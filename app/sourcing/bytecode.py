"""Functions as their byte code: which names they use, what they import, and a digest without their place in a file."""

from __future__ import annotations

import dis
import hashlib
from collections import deque
from importlib import util
from types import CodeType
from typing import Any


def names_in(code: CodeType, package: str | None) -> tuple[set[str], set[str]]:
    """The names in a function's code, and the modules that it imports as it runs."""
    names, modules, constants = set(code.co_names), set(), deque[Any](maxlen=2)
    for step in dis.get_instructions(code):
        if step.opname == "IMPORT_NAME":
            level = next((one for one in constants if type(one) is int), 0)
            asked = "." * level + step.argval
            at = util.resolve_name(asked, package) if level and package else asked
            listed = next((one for one in constants if isinstance(one, tuple)), ())
            modules |= {at, *(f"{at}.{one}" for one in listed if one != "*")}
        constants.append(step.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            within = names_in(constant, package)
            names, modules = names | within[0], modules | within[1]
    return names, modules


def digest(code: CodeType) -> str:
    return hashlib.sha256(_written(code).encode()).hexdigest()[:16]


def _written(value: Any) -> str:
    """A function's code, or a constant in it: without its place in a file, the same in each process."""
    if isinstance(value, CodeType):
        parts = (
            value.co_code.hex(), value.co_names, value.co_varnames, value.co_freevars, value.co_cellvars,
            value.co_flags, value.co_argcount, value.co_posonlyargcount, value.co_kwonlyargcount,
            getattr(value, "co_exceptiontable", b""), value.co_consts,
        )  # fmt: skip
        return f"({_written(parts)})"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, frozenset):
        return f"{{{', '.join(sorted(map(_written, value)))}}}"
    return f"{type(value).__name__} {value!r}"
