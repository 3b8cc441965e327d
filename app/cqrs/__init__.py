"""Reading apart from writing: projections, reactors, and those who run them.

Everything here follows the event store (`app.store.eventstore`) by position;
the rows that say how far each has come are in `app.store.followers`.
"""
