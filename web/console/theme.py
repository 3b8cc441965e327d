"""The theme, as a cookie that a form sets: the console keeps no script for it."""

from __future__ import annotations

from flask import redirect, request
from flask.typing import ResponseReturnValue

from web.auth import requires, unaudited
from web.console.pages import back, blueprint

YEAR = 365 * 86_400


@blueprint.post("/theme")
@unaudited("a cookie of one's own")
@requires("viewer")
def set_theme() -> ResponseReturnValue:
    theme = request.form.get("theme", "auto")
    answer = redirect(back("/"), code=303)
    answer.set_cookie(
        "theme",
        theme if theme in ("light", "dark") else "auto",
        max_age=YEAR,
        samesite="Lax",
        httponly=True,
        secure=request.is_secure,
    )
    return answer
