"""The life of a delivery: declared, read, handled, settled, retried, parked.

Start with `delivery.py`, which tells the story; `lease.py` is the loop around it.
"""
