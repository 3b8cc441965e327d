"""What `up` says when everything is ready: how to get in, and what to try."""

from __future__ import annotations

from collections.abc import Callable

from app.cli.spelling import our_command
from config.settings import Settings


def lines(settings: Settings, password: str | None, strong: Callable[[str], str]) -> list[str]:
    """`password` is the administrator's if it was made just now."""
    command = our_command(settings)
    if password and settings.admin_password:
        sign_in = "admin, with the password in PENSTOCK_ADMIN_PASSWORD"
    elif password:
        sign_in = f"admin / {strong(password)}"
    else:
        sign_in = f"admin (forgotten? {command} users password admin)"
    return [
        "",
        f"  {strong('Penstock is running.')}",
        "",
        f"  Console   {strong(f'http://localhost:{settings.port}')}",
        f"  Sign in   {sign_in}",
        f"  Data      {settings.data_dir}",
        "",
        "  Try, in another terminal:",
        f"    {command} tail",
        f"    {command} publish order.placed '{{\"total\": 42}}' --key customer-7",
        f"    {command} runs list",
        f"    {command} doctor",
        "",
        "  Ctrl-C stops everything; the data stays.",
        "",
    ]
