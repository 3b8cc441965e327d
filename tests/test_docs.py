"""The code in the README and the docs runs.

Every ```python block is executed, those of a file in one namespace; after that
each `test_…` function that they define is called. Where they publish, it goes
to a platform in memory. A block for something that can't run here is marked
with a comment right before it: <!-- not run: the reason -->
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from sqlmodel import SQLModel

from app.events.schema import TYPES
from app.subscriptions.declaration import HANDLERS
from app.testing import InMemoryPlatform

ROOT = Path(__file__).parent.parent
PAGES = sorted(page for page in (ROOT / "README.md", *ROOT.glob("docs/**/*.md")) if page.exists())
BLOCK = re.compile(
    r"(?P<mark><!--(?P<comment>.*?)-->\s*)?^```python[^\n]*\n(?P<code>.*?)^```$", re.M | re.S
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


class Block(NamedTuple):
    line: int
    code: str
    reason: str | None


def blocks(text: str) -> list[Block]:
    """The Python blocks of a page, each with why it is not run, or None."""
    found = []
    for match in BLOCK.finditer(text):
        comment = (match["comment"] or "").strip()
        reason = (
            comment.removeprefix("not run:").strip() if comment.startswith("not run:") else None
        )
        found.append(Block(text.count("\n", 0, match.start("code")) + 1, match["code"], reason))
    return found


@pytest.fixture
def _nothing_stays() -> Iterator[None]:
    """What a page registers is forgotten after it."""
    before = [(vars(registry), _copied(vars(registry))) for registry in (HANDLERS, TYPES)]
    tables = set(SQLModel.metadata.tables)
    yield
    for registry, contents in before:
        registry.update(contents)
    for name in set(SQLModel.metadata.tables) - tables:
        SQLModel.metadata.remove(SQLModel.metadata.tables[name])


def _copied(value: Any) -> Any:
    return {key: _copied(each) for key, each in value.items()} if isinstance(value, dict) else value


@pytest.mark.usefixtures("_nothing_stays")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_code_of_a_page_runs(page: Path, monkeypatch: pytest.MonkeyPatch):
    module = ModuleType(re.sub(r"\W", "_", page.stem.lower()))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with InMemoryPlatform():
        for block in blocks(page.read_text()):
            if block.reason is None:
                # Lines as in the page, so that a traceback points there.
                code = "\n" * (block.line - 1) + block.code
                exec(compile(code, str(page), "exec"), module.__dict__)
        for name, value in list(vars(module).items()):
            if name.startswith("test_") and callable(value):
                value()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_links_to_is_there(page: Path):
    targets = [link for link in LINK.findall(_prose(page.read_text())) if "://" not in link]
    gone = [
        link
        for link in targets
        if not link.startswith(("#", "mailto:"))
        and not (page.parent / link.partition("#")[0]).exists()
    ]
    assert gone == []
    own = {_anchor(title) for title in re.findall(r"^#+ (.*)$", _prose(page.read_text()), re.M)}
    assert [link for link in targets if link.startswith("#") and link[1:] not in own] == []


def test_a_block_that_is_not_run_says_why():
    text = (
        "<!-- not run: it needs a cloud -->\n```python\nboom()\n```\n\n```python\nfine = 1\n```\n"
    )
    assert blocks(text) == [
        Block(3, "boom()\n", "it needs a cloud"),
        Block(7, "fine = 1\n", None),
    ]
    for page in PAGES:
        assert all(block.reason != "" for block in blocks(page.read_text())), page


def _prose(text: str) -> str:
    """A page without its code."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def _anchor(title: str) -> str:
    """The address that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
