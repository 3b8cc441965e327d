"""Machine learning as pure functions: bytes and rows in, values out.

Reading a table, judging it, training, evaluating, scoring, and keeping a model
as an artefact. Nothing here knows of events, streams, SQL or the blob store;
`app.domain` and the handlers bring those. scikit-learn is imported where it
is used, so that a process that never trains or scores doesn't pay for it.
"""
