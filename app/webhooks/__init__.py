"""Webhooks: an HTTP endpoint as a subscription's handler, made and changed while everything runs.

`webhooks` keeps them, `address` says where one may lead, `signature` signs, `sending` sends.
Retries, dead letters, timeouts, pauses and replays are those of any subscription.
"""
