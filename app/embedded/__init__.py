"""A real Redis or Valkey server of Penstock's own, where no REDIS_URL is given.

`binary` finds the program, `server` runs one. Knows nothing of events; the
command `up` and the tests use it.
"""
