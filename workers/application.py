"""The Celery application: JSON only, one queue for each lane.

The broker is the same Redis. It carries remote control and ordinary tasks;
events never travel through it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from celery import Celery
from kombu import Queue

from app.subscriptions.declaration import LANES
from config.settings import Settings

PREFIX = "penstock:celery:"


def make(settings: Settings) -> Celery:
    """The application of these settings."""
    celery = Celery("penstock", broker=settings.broker_url, include=["workers.tasks"])
    celery.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        event_serializer="json",
        task_ignore_result=True,
        task_default_queue=LANES[0],
        task_queues=[Queue(lane) for lane in LANES],
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        # A lost broker ends no lease: it has a connection of its own, and its fence.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # A server that refuses writes (a full disk, a replica after a failover) refuses even the
        # read from a queue, which is one: Celery would end the worker.
        broker_channel_error_retry=True,
        broker_transport_options={"socket_keepalive": True, "global_keyprefix": PREFIX},
        broker_pool_limit=4,
    )
    return celery


def settings_of_this_process() -> Settings:
    """The settings, with the working directory importable: the celery command takes it out of the path."""
    working = str(Path.cwd())
    if working not in sys.path:
        sys.path.insert(0, working)
    settings = Settings.load()
    settings.require_redis()
    return settings
