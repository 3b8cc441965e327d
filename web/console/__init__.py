"""The console: pages for an operator, rendered on the server, complete without scripts.

A page parses its filters, asks the platform, and renders; every change is a
form post that calls one function of the platform, says what happened, and
leads back to a page. `blueprint` is all that `create_app` needs.
"""

from __future__ import annotations

from web.console import (
    aggregates,
    alerts,
    audit,
    cases,
    commands,
    datasets,
    events,
    failures,
    filter_trial,
    flow,
    giving,
    live,
    models,
    once,
    outbox,
    overview,
    people,
    problems,
    projections,
    publishing,
    refreshing,
    replays,
    run_steps,
    runs,
    search,
    sessions,
    subscriptions,
    tail,
    theme,
    tokens,
    topics,
    webhooks,
    workers,
)
from web.console.pages import blueprint

__all__ = ["blueprint"]
_PAGES = (
    aggregates, alerts, audit, cases, commands, datasets, events, failures, filter_trial, flow, giving, live,
    models, once, outbox,
    overview, people, problems, projections, publishing, refreshing, replays, run_steps, runs,
    search, sessions, subscriptions, tail, theme, tokens, topics, webhooks, workers,
)  # fmt: skip
