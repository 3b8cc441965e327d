"""Logs and metrics: how they look, and what the metrics are called.

Knows nothing of events; each layer says what happened to it with
`structlog.get_logger()`.
"""
