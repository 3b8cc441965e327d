"""What Penstock is used for: datasets, models, and the pipeline from one to the other.

Event types, tables, and the two nouns with one function for each write of
theirs. Uses app.ml for the learning; is used by handlers, web and command line.
"""
