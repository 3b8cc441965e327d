"""Structured logs: readable lines in a terminal, JSON anywhere else.

`configure` is called once by each process that starts (web, workers, command line). Lines of
other libraries take the same form. What `bound` names (correlationid, delivery, subscription)
is on every line that is written inside it, and crosses neither threads nor processes.
"""

from __future__ import annotations

import logging
import sys
from contextlib import AbstractContextManager
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars

# Chatty at the level `info`, and silent about what people need to know.
QUIET = (
    "alembic",
    "asyncio",
    "urllib3",
    "kombu.transport",
    "celery.worker.strategy",
    "celery.app.trace",
)


def configure(level: str = "info", style: str = "auto") -> None:
    """Send every log line to standard error. `style`: text, json, or auto (text in a terminal)."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(style))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def formatter(style: str = "auto") -> logging.Formatter:
    """How a line looks, for those who make their own handler (gunicorn does)."""
    text = style == "text" or (style == "auto" and sys.stderr.isatty())
    last: list[Any]
    if text:
        # A traceback with its local variables would write secrets into logs.
        plain = structlog.dev.plain_traceback
        colors = sys.stderr.isatty()
        last = [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
    else:
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared(),
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )


def bound(**values: Any) -> AbstractContextManager[None]:
    """Put `values` on every line logged within the block."""
    return bound_contextvars(**values)


def _shared() -> list[Any]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
