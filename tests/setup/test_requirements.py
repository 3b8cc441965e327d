"""What the code imports is what the runtime requirements install, and no more than its own."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = {"app", "config", "web", "workers"}


def imported() -> dict[str, Path]:
    """Top-level packages that our code imports, each with one file that does."""
    found: dict[str, Path] = {}
    for folder in OURS:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names = [node.module]
                else:
                    continue
                found |= {name.partition(".")[0]: path for name in names}
    return {name: path for name, path in found.items() if name not in sys.stdlib_module_names}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(name: str) -> set[str]:
    lines = (ROOT / name).read_text().splitlines()
    return {line.strip() for line in lines if line and not line.startswith((" ", "#"))}


def names_of(name: str) -> set[str]:
    return {normal(line.partition("==")[0]) for line in pinned(name)}


def test_everything_imported_is_installed_by_make_run():
    distributions = packages_distributions()
    runtime = names_of("requirements.txt")
    missing = {
        package: str(path.relative_to(ROOT))
        for package, path in imported().items()
        if package not in OURS
        and not {normal(name) for name in distributions.get(package, ())} & runtime
    }
    assert missing == {}


def test_runtime_and_development_requirements_agree():
    assert pinned("requirements.txt") <= pinned("requirements-dev.txt")


def test_make_run_installs_no_tool_of_the_tests():
    tools = {"pytest", "ruff", "mypy", "playwright", "pgserver", "hypothesis", "import-linter"}
    assert not names_of("requirements.txt") & tools
