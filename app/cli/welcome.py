"""What `up` says when everything is ready: how to get in, and what to try."""

from __future__ import annotations

from collections.abc import Callable

from config.settings import Settings


def lines(settings: Settings, password: str | None, strong: Callable[[str], str]) -> list[str]:
    """`password` is the administrator's if it was made just now."""
    python = ".venv/bin/python -m app"
    if password:
        sign_in = f"admin / {strong(password)}"
    else:
        sign_in = f"admin (forgotten? {python} users password admin)"
    return [
        "",
        f"  {strong('Penstock is running.')}",
        "",
        f"  Console   {strong(f'http://localhost:{settings.port}')}",
        f"  Sign in   {sign_in}",
        f"  Data      {settings.data_dir}",
        "",
        "  Try, in another terminal:",
        f"    {python} tail",
        f"    {python} publish order.placed '{{\"total\": 42}}' --key customer-7",
        f"    {python} runs list",
        f"    {python} doctor",
        "",
        "  Ctrl-C stops everything; the data stays.",
        "",
    ]
