"""State that is kept as its events: aggregates, deciders, snapshots, and how things were.

`aggregate` and `decider` are the two ways to write one, `kind` is what both come down to;
`repository` loads, changes and saves them; `history` says how they came to be as they are.
No Redis here: what reaches the streams goes through the outbox.
"""
