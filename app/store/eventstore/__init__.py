"""The event store: streams of immutable events, and one global order over all of them.

`store.EventStore` is what others use. `tables` has the rows (the migration made the
triggers that keep them as they are), `sqlite` and `postgres` how an append is done on each database.
"""
