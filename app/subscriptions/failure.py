"""What went wrong, told for people and for grouping.

Failures of the same cause share a group: the exception's type, the innermost
frame in the author's code, what the message says, and the subscription. What
differs from event to event doesn't split a group: numbers, ids, addresses and
quoted values are taken out of the message first.
"""

from __future__ import annotations

import hashlib
import os
import re
import sysconfig
import traceback
from types import TracebackType

from app.subscriptions.model_in_use import used
from app.subscriptions.outcomes import Failure

TRACEBACK_LIMIT = 8_000
_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_LIBRARIES = tuple(
    {sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)
_VARIABLE = re.compile(
    r"(['\"]).*?\1|\b[a-z]+://\S+|\S+@\S+|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|\b[0-9a-fA-F]{12,}\b"
    r"|\d+\.\d+|\w*\d\w*"
)


def describe(error: BaseException, subscription: str, at: float) -> Failure:
    """The failure of an attempt that raised `error` at `at` (seconds since 1970)."""
    kind = type(error).__name__
    message = said(error)
    frame = _frame(error.__traceback__)
    text = "".join(traceback.format_exception(error))
    if (left_out := len(text) - TRACEBACK_LIMIT) > 0:
        half = TRACEBACK_LIMIT // 2
        text = f"{text[:half]}\n    ... {left_out:,} characters left out ...\n{text[-half:]}"
    return _failure(at, kind, message, text, frame, subscription)._replace(model=used())


def told(kind: str, message: str, subscription: str, at: float) -> Failure:
    """A failure that no exception tells of, such as a process that died."""
    return _failure(at, kind, message, "", "", subscription)


def _failure(
    at: float, kind: str, message: str, text: str, frame: str, subscription: str
) -> Failure:
    message, text = _writable(message), _writable(text)
    title = f"{kind}: {_VARIABLE.sub('…', message)[:200]}"
    # A line number moves with every edit above it: the function stays.
    place = re.sub(r":\d+ in ", " in ", frame)
    cause = f"{title}\0{place}\0{subscription}"
    group = hashlib.blake2b(cause.encode(), digest_size=8).hexdigest()
    return Failure(at, f"{kind}: {message}", text, title, frame, group)


def _writable(text: str) -> str:
    """Without halves of surrogate pairs: a record that can't be written would never be settled."""
    return text.encode("utf-8", "replace").decode()


def said(error: BaseException) -> str:
    """What an error says, on one line of at most 500 characters."""
    try:
        text = str(error)
    except Exception as broken:
        text = f"(its message can't be shown: {type(broken).__name__})"
    text = " ".join(text.split())
    return text if len(text) <= 500 else f"{text[:497]}..."


def _frame(trace: TracebackType | None) -> str:
    """`file.py:12 in function` of the innermost frame that is neither ours nor a library's."""
    innermost = authors = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        innermost = f"{os.path.basename(code.co_filename)}:{trace.tb_lineno} in {code.co_name}"
        path = os.path.abspath(code.co_filename)
        if not path.startswith(_OURS + os.sep) and not path.startswith(_LIBRARIES):
            authors = innermost
        trace = trace.tb_next
    return authors or innermost
