"""Position tokens: where a write ended, in the header `X-Position`."""

from __future__ import annotations

from flask import Response

POSITION = "X-Position"


def with_position(response: Response, position: int | str | None) -> Response:
    """The answer of a write that ended there; of one that wrote nothing, as it is."""
    if position is not None:
        response.headers[POSITION] = str(position)
    return response
