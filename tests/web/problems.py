"""What every error of the API must look like."""

from __future__ import annotations

from typing import Any


def assert_problem(answer: Any, status: int, *words: str) -> dict[str, Any]:
    """Problem details with this status, whose detail says these words."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    body = answer.get_json()
    assert body["status"] == status
    assert body["title"]
    assert len(body["detail"]) > 10
    assert "Traceback" not in answer.text
    for word in words:
        assert word.lower() in body["detail"].lower(), body["detail"]
    return body
