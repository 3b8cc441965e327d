"""How gunicorn serves the web process: `gunicorn -c config/gunicorn.py 'web:create_app()'`.

Threads, because a server-sent stream holds one for as long as a console is open. It stops
within 20 s of SIGTERM, which is inside the 30 s that platforms allow.
"""

import os
import sys
from typing import Any

from config.errors import SettingsError
from config.settings import Settings

bind = f"0.0.0.0:{os.environ.get('PORT') or 8000}"
workers = int(os.environ.get("WEB_CONCURRENCY") or 1)
worker_class = "gthread"
# Streams may hold half of them and requests that wait a quarter: see post_worker_init.
threads = int(os.environ.get("WEB_THREADS") or 128)
keepalive = 5
timeout = 60  # a worker that doesn't answer its arbiter for so long is replaced
graceful_timeout = 20
max_requests = 50_000
max_requests_jitter = 5_000
# A heartbeat on disk can stall a worker where /tmp is slow.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
control_socket_disable = True
forwarded_allow_ips = "*"  # only the scheme is used, and only behind a router: see web/__init__.py
# The app's own settings rule the form of log lines; these get gunicorn's own through the root.
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "root": {"level": "INFO", "handlers": ["standard_error"]},
    "handlers": {
        "standard_error": {"class": "logging.StreamHandler", "formatter": "penstock"},
    },
    "formatters": {
        "penstock": {
            "()": "app.telemetry.logs.formatter",
            "style": os.environ.get("PENSTOCK_LOG_FORMAT") or "auto",
        },
    },
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": [], "propagate": True},
        "gunicorn.access": {"level": "WARNING", "handlers": [], "propagate": True},
        "alembic": {"level": "WARNING"},  # speaks while it is imported
    },
}


def on_starting(server: Any) -> None:
    """Refuse a wrong environment in one line, before a worker does in a hundred."""
    try:
        Settings.load()
    except SettingsError as error:
        sys.exit(f"penstock: {error}")


def shares(threads: int) -> tuple[int, int]:
    """How many of them streams may hold, and requests that wait: one is always left for all others."""
    streams = threads // 2
    return streams, min(max(1, threads // 4), threads - streams - 1)


def post_worker_init(worker: Any) -> None:
    """Leave threads to the API beside open consoles, and end live streams as soon as this worker is told to stop."""
    from web import sse, waiting

    streams, waits = shares(worker.cfg.threads)
    sse.allow(streams)
    waiting.allow(waits)
    sse.stop_when(lambda: not worker.alive)
