"""A snapshot's fingerprint changes with whatever the applying code reaches, and with nothing else."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import textwrap
from functools import singledispatch
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from app.domain.aggregates import Dataset, Model, ModelVersion
from app.sourcing.fingerprint import fingerprint
from app.sourcing.reached import reached

SHOP = {
    "shop_fp/__init__.py": "from shop_fp.rules import fee",
    "shop_fp/rates.json": '{"loaded": 4}',
    "shop_fp/rules.py": """
        def fee(n):
            return n + 5
    """,
    "shop_fp/lazy.py": """
        def late(n):
            return n + 6
    """,
    "shop_fp/lists.py": """
        RULES = []

        def rule(function):
            RULES.append(function)
            return function

        @rule
        def first(n):
            return n + 7

        def by_name_a(n):
            return n + 8

        def by_name(letter):
            return globals()["by_another_name_" + letter]

        def by_another_name_b(n):
            return n + 35
    """,
    "shop_fp/pricing.py": """
        import json
        from pathlib import Path

        RATES = {"a": 9, "deep": [1, {"c": 10}]}
        LOADED = json.loads(Path(__file__).with_name("rates.json").read_text())

        def total(n):
            return n * RATES["a"] + half(n) + LOADED["loaded"]

        def half(n):
            return n // 11
    """,
    "shop_fp/money.py": """
        from dataclasses import dataclass, field
        from enum import Enum

        class Kind(Enum):
            NORMAL = 12

        def _rounded(n):
            return n + 13

        @dataclass
        class Money:
            amount: int = 14
            kind: Kind = Kind.NORMAL
            parts: list = field(default_factory=lambda: [15])

            def plus(self, n):
                return Money(_rounded(self.amount + n))

        class Policy:
            def __init__(self, rate):
                self.rate = rate

            def of(self, n):
                return n * self.rate

        POLICY = Policy(16)
    """,
    "shop_fp/events.py": """
        from typing import Annotated

        from pydantic import AfterValidator, BaseModel, Field

        from app import event_type, upcast

        def _checked(n):
            return n + 17

        @event_type("fp.filled", version=2)
        class Filled(BaseModel):
            n: Annotated[int, AfterValidator(_checked)] = 18
            most: int = Field(default_factory=lambda: 19)

        @upcast("fp.filled", 1)
        def _from_1(data):
            return {**data, "n": 20}
    """,
    "shop_fp/basket.py": """
        from functools import lru_cache, partial, wraps

        import shop_fp.pricing
        from app import Aggregate, applies
        from shop_fp import events, fee, lists
        from shop_fp import pricing as prices
        from shop_fp.money import POLICY, Kind, Money

        def counted(times):
            def around(function):
                @wraps(function)
                def inner(n):
                    return function(n) + times + 21
                return inner
            return around

        @counted(22)
        def decorated(n):
            return n + 23

        @lru_cache
        def cached(n):
            return n + 24

        def with_default(n, more=25):
            return n + more

        def named(letter):
            return getattr(lists, "by_name_" + letter)

        add = partial(with_default, more=26)
        chosen = {"x": cached, "y": with_default}

        class Base(Aggregate):
            def _inherited(self):
                return 27

        class Basket(Base):
            category = "fp-basket"
            snapshot_every = 2
            total: Money = Money(28)
            n: int = 29

            @applies("fp.filled")
            def _filled(self, event):
                self.total = self.total.plus(shop_fp.pricing.total(self._inherited()))
                self.n = self.rate(event.data.n) + self.static() + self.worked_out
                self.n += decorated(1) + add(1) + chosen["x"](1) + POLICY.of(1) + fee(1)
                self.n += sum(rule(1) for rule in lists.RULES)
                self.n += named("a")(1) + lists.by_name("b")(1)
                from shop_fp.lazy import late
                self.n += (lambda n: late(n) + 30)(1) + 31

            @applies("fp.emptied")
            def _emptied(self, event):
                self.n = 0

            @classmethod
            def rate(cls, n):
                return n + 32

            @staticmethod
            def static():
                return 33

            @property
            def worked_out(self):
                return 34

        def handler(event):
            return prices.half(50)
    """,
}


def made(where: Path, monkeypatch: pytest.MonkeyPatch, *changes: tuple[str, str]) -> str:
    """The fingerprint of `Basket`, with these changes of its package's files."""
    for name, text in SHOP.items():
        for old, new in changes:
            text = text.replace(old, new)
        (where / name).parent.mkdir(exist_ok=True)
        (where / name).write_text(textwrap.dedent(text))
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop_fp"]:
        monkeypatch.delitem(sys.modules, name)
    importlib.invalidate_caches()
    return str(importlib.import_module("shop_fp.basket").Basket.kind().fingerprint())


@pytest.fixture
def shop(tmp_path, monkeypatch):
    from app.events.schema import TYPES

    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for known in ("versions", "upcasters", "by_class", "newest"):
        monkeypatch.setattr(TYPES, known, dict(getattr(TYPES, known)))

    def make(*changes: tuple[str, str]) -> str:
        for known in (TYPES.versions, TYPES.newest):
            known.pop("fp.filled", None)  # type: ignore[attr-defined]
        TYPES.upcasters.pop(("fp.filled", 1), None)
        return made(tmp_path, monkeypatch, *changes)

    return make


def test_it_covers_each_number_that_the_applying_code_comes_by(shop):
    """Wherever a number stands in the package, from 4 to 35, the state may depend on it."""
    before = shop()
    assert shop() == before
    unseen = []
    for number in range(4, 36):
        old = [
            text for text in (f" {number}\n", f" {number},", f" {number}}}", f"({number})", f"={number})",
                              f"[{number}]", f" {number})")
            if any(text in source for source in SHOP.values())
        ]  # fmt: skip
        assert old, number
        if shop(*((text, text.replace(str(number), "99")) for text in old)) == before:
            unseen.append(number)
    assert unseen == []


UNUSED, USED = '@applies("fp.emptied")\n            def ', '@applies("fp.filled")\n            def '


@pytest.mark.parametrize(
    "changes",
    [
        [(f"{USED}_filled", f"{UNUSED}_filled"), (f"{UNUSED}_emptied", f"{USED}_emptied")],
        [('"x": cached, "y": with_default', '"x": with_default, "y": cached')],
        [("n: int = 29", "n: float = 29")],
    ],
)
def test_it_covers_which_code_is_used_where(shop, changes):
    before = shop()
    assert shop(*changes) != before


def test_comments_layout_and_what_is_not_reached_change_nothing(shop):
    before = shop()
    assert shop(("self.n = 0", "# to nothing\n                self.n   =   0\n")) == before
    assert shop(("prices.half(50)", "prices.half(51)")) == before
    assert shop(('LOADED = json', 'OTHER = object()\n        LOADED = json')) == before  # fmt: skip


def test_it_is_the_same_in_every_process_whatever_else_was_imported():
    code = (
        "import workers.handlers, app.domain.aggregates as a; "
        "print(a.Model.kind().fingerprint(), a.Dataset.kind().fingerprint())"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": "1"},
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    assert told == f"{Model.kind().fingerprint()} {Dataset.kind().fingerprint()}"


def test_the_built_in_aggregates_are_covered_with_their_value_objects(monkeypatch):
    def told() -> list[str]:
        return reached([Model, Model._methods], [Model.__module__])

    before = told()
    monkeypatch.setattr(ModelVersion.__dataclass_fields__["state"], "default", "new")
    assert told() != before
    monkeypatch.undo()
    assert told() == before


def test_it_covers_each_of_those_that_have_one_name():
    def named(text):
        def _(data):
            return data

        _.__code__ = compile(f"def _(data): return {text}", "<test>", "exec").co_consts[0]
        return _

    both = fingerprint([named("data"), named("data + 1")])
    assert fingerprint([named("data"), named("data + 2")]) != both
    assert fingerprint([named("data + 1"), named("data")]) != both
    assert fingerprint([named("data"), named("data + 1")]) == both


LONG = re.compile("a" * 300 + "b")
WEIGHTS = np.array([1.0, 2.0])


class Meta(type):
    def made(cls):
        return 1


class Odd(metaclass=Meta):
    pass


class Away:
    """As a stand-in for the request of a web framework, where there is no request."""

    @property
    def __class__(self):
        raise RuntimeError("outside of a request")


AWAY = Away()


@singledispatch
def by_type(value):
    return 0


def uses(value):
    return LONG, WEIGHTS, Odd, AWAY, by_type(value)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("LONG", re.compile("a" * 300 + "c")),
        ("WEIGHTS", np.array([1.0, 3.0])),
        ("Odd", type("Odd", (), {"__module__": __name__})),
    ],
    ids=["pattern", "array", "metaclass"],
)
def test_it_covers_long_patterns_arrays_and_metaclasses(monkeypatch, name, other):
    before = fingerprint(uses)
    monkeypatch.setitem(globals(), name, other)
    assert fingerprint(uses) != before


def test_it_covers_what_a_function_does_by_type_and_not_what_it_was_called_with():
    before = fingerprint(uses)
    by_type(1)
    assert fingerprint(uses) == before
    by_type.register(bytes, lambda value: 1)
    assert fingerprint(uses) != before


def test_a_module_that_applying_code_imports_and_that_is_broken_is_told(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "fp_broken.py").write_text("raise ValueError('no such rate')")
    late = "from shop_fp.lazy import late\n"  # `late` is asked for as a module, too, and is none
    for change, told in (
        (late, []),
        (f"{late}{' ' * 16}import fp_broken\n", [("fp_broken", "ValueError: no such rate")]),
    ):
        with capture_logs() as lines:
            made(tmp_path, monkeypatch, (late, change))
        assert [(line["module"], line["error"]) for line in lines] == told
