"""The sample that `up` loads: real data through the whole pipeline, followed on the terminal.

scikit-learn's handwritten digits (1,797 images of 8 by 8 pixels) are uploaded as anybody would
upload a table. Where there is a dataset already, it does nothing.
Run as `python -m app.cli.sample`, so that its imports and its memory end with it.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from typing import Any

import click

from app.cli.failures import explained
from app.cli.following import follow_run
from app.cli.platform import opened
from app.cli.spelling import our_command
from app.errors import PenstockError
from app.ml.samples import digits_csv

NAME, TARGET = "digits", "digit"
PIPELINE = "workers.handlers"  # the module whose handlers the sample goes through
LONGEST_RUN = 300.0  # seconds until we stop watching; the run itself goes on
DONE = {"succeeded": "done", "parked": "FAILED", "cancelled": "cancelled"}


def load(platform: Any, say: Callable[[str], None] = click.echo) -> bool:
    """Upload the sample and follow its run; whether a model answers at the end."""
    if PIPELINE not in platform.settings.handlers:
        say(f"Sample: not loaded, since PENSTOCK_HANDLERS does not name {PIPELINE}.")
        return True
    found = platform.datasets.find(limit=1).items
    table = digits_csv()
    if not found:
        rows = len(table.splitlines()) - 1
        say(f"Sample: {rows:,} handwritten digits go through the pipeline.")
        upload = platform.datasets.upload(
            io.BytesIO(table), NAME, TARGET, filename="digits.csv", actor="sample"
        )
        correlationid = upload["correlationid"]
    elif unfinished := _unfinished(platform):
        say("Sample: its run goes on where it was stopped.")
        correlationid = unfinished
    else:
        return True
    run = _follow(platform, correlationid, say)
    if run is None or run["state"] != "succeeded":
        state = "not over yet" if run is None else run["state"]
        command = our_command(platform.settings)
        say(f"Sample: the run is {state}; see `{command} runs show {correlationid}`")
        return False
    _say_it_answers(platform, table, say)
    return True


def _unfinished(platform: Any) -> str | None:
    """The run of a sample that was loaded and did not come to its end."""
    for state in ("running", "waiting"):
        for run in platform.runs.find(state=state, type="dataset.uploaded", limit=10).items:
            if run["subject"] == NAME:
                return str(run["correlationid"])
    return None


def _follow(platform: Any, correlationid: str, say: Callable[[str], None]) -> Any:
    told: set[tuple[str, str]] = set()
    for run in follow_run(platform, correlationid, LONGEST_RUN):
        for step in run["steps"] if run else ():
            key = (step["event"], step["subscription"])
            if key not in told and (step["state"] in DONE or step["subscription"] is None):
                told.add(key)
                say(_line(step))
    return platform.runs.get(correlationid)


def _line(step: dict[str, Any]) -> str:
    mark = "✗" if step["state"] == "parked" else "✓"
    by = (step["subscription"] or "").rpartition(".")[2]
    error = f"  {step['error']}" if step["error"] else ""
    return f"  {mark} {step['type']:<22} {by}{error}"


def _say_it_answers(platform: Any, table: bytes, say: Callable[[str], None]) -> None:
    head, first = table.decode().splitlines()[:2]
    row = dict(zip(head.split(","), first.split(","), strict=True))
    right = row.pop(TARGET)
    answer = platform.models.predict(NAME, [row])["predictions"][0]
    port = platform.settings.port
    body = json.dumps({"rows": [{name: float(value) for name, value in row.items()}]})
    example = platform.settings.data_dir / "digit.json"
    example.write_text(body)
    token = f"$({our_command(platform.settings)} tokens create me --scope read --quiet)"
    say("")
    say(f"  The model answers: the first digit is {answer['value']} (it is {right}). Ask it:")
    say(f'    curl -H "Authorization: Bearer {token}" \\')
    say(f"      -H 'Content-Type: application/json' -d @{example} \\")
    say(f"      http://localhost:{port}/api/v1/models/{NAME}/predict")
    say("")


def main() -> int:
    try:
        with opened() as platform:
            return 0 if load(platform) else 1
    except PenstockError as error:
        click.echo(f"Sample: {explained(error)}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
