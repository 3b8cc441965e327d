"""Benchmarks: `python -m app bench …`.

Each measures a reference in the same run, in turns with ours, and reports the
medians and their ratio: these machines are shared and noisy, and a figure
without its reference says nothing.
"""
