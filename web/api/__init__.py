"""The HTTP API, version 1: thin views over the platform, one file for each noun.

A view parses (by its declaration in the route table), calls one function of
the platform, and renders. It decides nothing: rules and errors are the
platform's, statuses are `web.problems`'.
"""

from __future__ import annotations

from flask import Blueprint

from web.api import (  # noqa: F401  (each adds its routes to the table)
    aggregates,
    alerts,
    audit,
    commands,
    datasets,
    dead_letters,
    events,
    figures,
    models,
    outbox,
    projections,
    replays,
    runs,
    search,
    sessions,
    subscriptions,
    topics,
    webhooks,
    workers,
)
from web.api.openapi import document
from web.api.routes import add_routes

__all__ = ["blueprint", "document"]

blueprint = Blueprint("api", __name__)
add_routes(blueprint)
