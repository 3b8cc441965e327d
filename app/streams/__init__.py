"""Redis Streams: topics, publishing, and the atomic steps of a delivery.

Knows keys, commands and scripts; knows nothing of handlers, retries or SQL.
Every step that must not be torn apart is a Lua script in `scripts/`, whose
header states what it guarantees.
"""
