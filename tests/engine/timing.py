"""The seconds that handlers and tests share. Handlers are imported by workers only."""

RECLAIM = 5.0
"""Without a beat for this long, a worker is dead."""
HUNG = 1.5
"""What a handler may take that hangs."""
