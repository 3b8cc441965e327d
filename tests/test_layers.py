"""Imports point down only, Flask stays in web/, and Celery in workers/."""

from __future__ import annotations

from pathlib import Path

from importlinter.cli import lint_imports

CONFIGURATION = Path(__file__).parents[1] / "pyproject.toml"


def test_imports_point_down_only(capsys):
    status = lint_imports(config_filename=str(CONFIGURATION), no_cache=True)
    assert status == 0, capsys.readouterr().out
