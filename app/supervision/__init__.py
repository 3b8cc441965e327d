"""Running Penstock's processes on one machine: start, watch, restart, and stop all of them.

`child` is one process and its log lines, `supervisor` all of them, `keeper` the one that
cleans up when the supervisor itself was killed. Knows nothing of events or settings.
"""
