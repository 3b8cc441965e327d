"""How a projection or an aggregate was at an earlier moment.

`rows` builds a projection's rows where the author's code is; `projections` and `aggregates` ask a
worker for those whose process has none of it (the console, the API), which is the same for both: `asking`.
"""
