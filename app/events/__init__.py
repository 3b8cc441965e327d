"""Events: the envelope, typed schemas, topics and filters.

Pure: nothing here opens a connection, reads a file or starts a thread.
"""
