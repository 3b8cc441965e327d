"""How this process is connected to a database: an engine of SQLAlchemy for each kind.

Guarantees: a connection is as Penstock needs it before anybody gets it, and a
transaction begins in the way that its `BEGIN` says. What a transaction is to
its user (committed whole, its errors in words) is `app.store.database`'s.
"""

BEGIN = "penstock_begin"
"""The execution option that says how a transaction begins: DEFERRED only reads, IMMEDIATE may write."""
