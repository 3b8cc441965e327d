"""What code reaches, written down: the functions, classes and values that it names, and what these name.

Objects are read as they are in memory, not as files: a process that outlives a change of its files still
runs the old code. Functions count by their byte code, so comments and layout don't. A class counts whole,
with its bases and the types of its fields; a module by the names that are used of it, and whole where
names are computed (`getattr`, `globals`). Code of the standard library doesn't count, that of other
installed packages by their version. No author's code runs for it, but for what a function imports.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
import sysconfig
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import Field, fields
from datetime import date, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import cache, cached_property, partial
from importlib import metadata, util
from inspect import get_annotations
from pathlib import PurePath
from re import Pattern
from types import FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints
from uuid import UUID

import structlog
from pydantic.fields import FieldInfo

from app.sourcing.bytecode import digest, names_in

log = structlog.get_logger(__name__)
_PLAIN = (
    str, int, float, complex, bytes, bytearray, range, type(None), type(...), Decimal, Fraction, date,
    time, timedelta, tzinfo, UUID, PurePath, TypeVar,
)  # fmt: skip
"""Whose `repr` is their value."""
_COMPUTED = {"getattr", "vars", "__dict__", "attrgetter", "methodcaller"}
_ANY_GLOBAL = {"globals", "eval", "exec"}
_OURS = "app"
_WITHOUT = {"__annotations__", "__doc__", "__module__", "__dict__", "__weakref__", "__wrapped__"}
_OF_CLASSES = {"__pydantic_fields__", "__dataclass_fields__", "__struct_defaults__"}
_STANDARD = sysconfig.get_path("stdlib")
_FOREIGN = {"site-packages", "dist-packages"}


def reached(roots: Iterable[Any], homes: Iterable[str]) -> list[str]:
    """A line for each thing that the roots reach, sorted: the same in every process that runs this code.

    `homes` are modules whose packages count as the author's own, wherever they are installed.
    """
    search = _Search({one.partition(".")[0] for one in homes} | {_OURS})
    lines = [f"root {search.text(root)}" for root in roots]
    while search.waiting:
        lines += search.waiting.popleft()
    return sorted({*lines, *search.libraries})


class _Search:
    def __init__(self, homes: set[str]):
        self.waiting: deque[Iterator[str]] = deque()
        self.libraries: set[str] = set()
        self._homes = homes
        self._seen: dict[int, Any] = {}  # the objects themselves, so that no id is given out twice
        self._within: set[int] = set()

    # -- what a value is, as a text; code that it holds is put on the list to be read

    def text(self, value: Any) -> str:
        if id(value) in self._within:
            return "…"
        self._within.add(id(value))
        try:
            return self._text(value)
        except RecursionError:
            raise
        except (
            Exception
        ):  # a stand-in for what is not there now, which can't even be asked what it is
            return f"unread {type(value).__qualname__}"
        finally:
            self._within.discard(id(value))

    def _text(self, value: Any) -> str:
        if isinstance(value, Enum):
            return f"{self.text(type(value))}.{value.name}"
        if isinstance(value, _PLAIN):
            return f"{type(value).__name__} {value!r}"
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, ModuleType):
            return f"module {value.__name__}"
        if isinstance(value, type) and get_origin(value) is None:
            return self._class(value)
        if isinstance(value, dict | MappingProxyType):
            held = [f"{self.text(key)}: {self.text(one)}" for key, one in list(value.items())]
            return f"{type(value).__name__} {{{', '.join(held)}}}"
        if isinstance(value, list | tuple | deque):
            return f"{type(value).__name__} [{', '.join(map(self.text, list(value)))}]"
        if isinstance(value, set | frozenset):
            return f"set {sorted(map(self.text, list(value)))}"
        if isinstance(value, Pattern):  # whose repr is cut off
            return f"pattern {value.pattern!r} {value.flags}"
        if get_origin(value) is not None:
            parts = [getattr(value, "__metadata__", ()), *get_args(value)]
            return f"{self.text(get_origin(value))}[{', '.join(map(self.text, parts))}]"
        return f"{self._class(type(value))}({', '.join(map(self.text, self._parts(value)))})"

    def _parts(self, value: Any) -> Iterable[Any]:
        """What an object holds, where that is code or never changes."""
        if isinstance(value, property):
            return value.fget, value.fset
        if isinstance(value, cached_property | partial):
            return value.func, getattr(value, "args", ()), getattr(value, "keywords", {})
        if isinstance(value, staticmethod | classmethod | MethodType):
            return value.__func__, getattr(value, "__self__", None)
        if isinstance(value, FieldInfo):  # of pydantic
            return value.default, value.default_factory, value.metadata, value.annotation
        if isinstance(value, Field):  # of a dataclass
            return value.default, value.default_factory
        held = vars(value) if hasattr(value, "__dict__") else {}
        if "__wrapped__" in held:
            return (held["__wrapped__"],)
        params = getattr(type(value), "__dataclass_params__", None)
        if params is not None and params.frozen:
            return [(one.name, getattr(value, one.name, None)) for one in fields(value)]
        module = type(value).__module__
        if not self._is_own(module) or module.partition(".")[0] == _OURS:
            return _array(
                value
            )  # else a lock, a client, a registry: nothing that a state is made of
        slots = [
            name for cls in type(value).__mro__ for name in _listed(vars(cls).get("__slots__"))
        ]
        return [*held.items(), *((name, getattr(value, name, None)) for name in slots)]

    def _function(self, function: FunctionType) -> str:
        cells = []
        for cell in function.__closure__ or ():
            try:
                cells.append(self.text(cell.cell_contents))
            except ValueError:  # not bound yet
                cells.append("")
        held = [function.__defaults__, function.__kwdefaults__, _of(function)]
        said = [*map(self.text, held), *cells]
        name = f"{function.__module__}.{function.__qualname__}"
        if self._is_first(function, function.__module__):
            self.waiting.append(self._names(name, function))
        return f"def {name} {digest(function.__code__)} {said}"

    def _class(self, cls: type) -> str:
        name = f"{cls.__module__}.{cls.__qualname__}"
        if self._is_first(cls, cls.__module__):
            self.waiting.append(self._members(name, cls))
        return f"class {name}"

    def _is_first(self, value: Any, module: str) -> bool:
        if id(value) in self._seen:
            return False
        self._seen[id(value)] = value
        if self._is_own(module):
            return True
        if version := _version(module.partition(".")[0]):
            self.libraries.add(version)
        return False

    # -- what the code on the list reaches

    def _names(self, name: str, function: FunctionType) -> Iterator[str]:
        """What each name in a function stands for."""
        found, imported = names_in(function.__code__, function.__globals__.get("__package__"))
        held = function.__globals__
        if found & _ANY_GLOBAL:
            found |= {one for one in held if not one.startswith("__")}
        modules = [held[one] for one in found if _is_module(held.get(one))]
        modules += [module for one in imported if (module := self._imported(one))]
        for one in sorted(one for one in found & held.keys() if one[:2] != "__"):
            yield f"{name} {one} = {self.text(held[one])}"
        seen: set[str] = set()
        while modules:
            module = modules.pop()
            if module.__name__ in seen or not self._is_own(module.__name__):
                self._is_first(module, module.__name__)
                continue
            seen.add(module.__name__)
            taken = vars(module).keys() if found & _COMPUTED else found & vars(module).keys()
            for one in sorted(one for one in taken if one[:2] != "__"):
                value = vars(module)[one]
                if _is_module(value):
                    modules.append(value)
                else:
                    yield f"{name} {module.__name__}.{one} = {self.text(value)}"

    def _imported(self, name: str) -> ModuleType | None:
        """What a function imports as it runs, where that is the author's: imported now."""
        if name not in sys.modules and self._is_own(name):
            try:
                importlib.import_module(name)
            except Exception as error:
                if not (isinstance(error, ModuleNotFoundError) and error.name == name):
                    said = f"{type(error).__name__}: {error}"
                    log.warning("applying code imports what can't be", module=name, error=said)
                return None  # no module at all, but a name in one; or the code fails as well
        return sys.modules.get(name)

    def _members(self, name: str, cls: type) -> Iterator[str]:
        yield f"{name} bases {[self.text(base) for base in (*cls.__mro__[1:], type(cls))]}"
        for one, value in list(vars(cls).items()):
            hidden = one in _WITHOUT or (one.startswith("__") and one.endswith("__"))
            code = isinstance(value, FunctionType | staticmethod | classmethod | property)
            if one in _OF_CLASSES or (one not in _WITHOUT and code) or not hidden:
                yield f"{name} {one} = {self.text(value)}"
        for one, hint in _hints(cls).items():
            yield f"{name} {one}: {self.text(hint)}"

    def _is_own(self, module: str) -> bool:
        top = module.partition(".")[0]
        held = sys.modules.get(module) or sys.modules.get(top)
        file = getattr(held, "__file__", None) if held else _file(module)
        if top in sys.stdlib_module_names and (file is None or file.startswith(_STANDARD)):
            return False
        return top in self._homes or file is None or not _FOREIGN & {*PurePath(file).parts}


def _is_module(value: Any) -> bool:
    return issubclass(type(value), ModuleType)


def _array(value: Any) -> Iterable[Any]:
    """The bytes of an array, and of what else lends them."""
    try:
        with memoryview(value) as held:
            return held.format, held.shape, hashlib.sha256(held.tobytes()).hexdigest()
    except TypeError:
        return ()


def _of(function: FunctionType) -> dict[str, Any]:
    """What a decorator noted on it, such as the types that it applies."""
    return {name: value for name, value in vars(function).items() if name not in _WITHOUT}


def _hints(cls: type) -> dict[str, Any]:
    written = get_annotations(cls)
    try:
        found = get_type_hints(cls, include_extras=True)
        return {name: found[name] for name in written}
    except Exception:  # a name that is imported for type checkers only: then as it is written
        return written


def _listed(slots: Any) -> Iterable[str]:
    return (slots,) if isinstance(slots, str) else slots or ()


def _file(module: str) -> str | None:
    try:
        found = util.find_spec(module)
    except (ImportError, ValueError, AttributeError):
        return None
    return found.origin if found else None


@cache
def _version(package: str) -> str | None:
    """An installed package with its version; None where it tells none, as the standard library."""
    if package in sys.stdlib_module_names:
        return None
    try:
        return f"{package}=={metadata.version(package)}"
    except metadata.PackageNotFoundError:  # it is imported by another name than it is installed by
        said = vars(sys.modules[package]).get("__version__") if package in sys.modules else None
        return f"{package}=={said}" if isinstance(said, str) else None
