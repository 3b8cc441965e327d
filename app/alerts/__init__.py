"""Alerts: rules on what the read models say, judged by one process, told as events.

`rule` and `decision` are pure; `readings` asks the platform how things are;
`alerts` is what the caretaker, the console, the API and the command line call.
"""
