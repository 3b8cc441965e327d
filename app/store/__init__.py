"""SQL: what Penstock remembers.

One noun a file. `database.Database` holds an engine; every class here takes
one and opens its own transactions, unless a function's first argument is a
session. Knows nothing of Redis, Celery or Flask (README.md says more).
"""
