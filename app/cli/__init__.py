"""The command line: thin commands that call the platform and render what it answers.

Each command is a module of this folder, imported only when it is named, so that
`python -m app --help` is quick and one command's imports never break another. Exit status:
0 it worked, 1 it failed (one line on standard error says why and what to do), 2 wrong usage.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from app.cli.failures import explained
from app.errors import PenstockError

# What `--help` lists; the command `dead-letters` is `dead_letters` in app/cli/dead_letters.py.
COMMANDS = {
    "up": "Start everything on this machine and keep it running.",
    "migrate": "Bring the database up to date (the release step of a deployment).",
    "doctor": "Check this installation and say how to mend what is wrong.",
    "publish": "Publish one event, or JSON lines from standard input.",
    "tail": "Show events as they come.",
    "events": "Search the archive, show one event.",
    "find": "Find anything by its id or a part of its name.",
    "topics": "List the topics.",
    "subscriptions": "List, pause, resume and rewind subscriptions.",
    "webhooks": "List, create and change webhooks; renew a secret.",
    "dead-letters": "List, replay and discard what was parked.",
    "replays": "List, pause, resume and cancel replays.",
    "alerts": "List, acknowledge and mute alerts; change their rules.",
    "schedules": "List and cancel what fires by the calendar.",
    "workers": "List workers and stop one.",
    "runs": "List runs and show one with its steps.",
    "datasets": "Upload and list datasets.",
    "models": "List, promote and roll back models; predict.",
    "aggregates": "Show models, datasets and your aggregates as they were, and why.",
    "commands": "List commands, and give one.",
    "projections": "List the read models and how far behind they are.",
    "outbox": "What SQL has yet to publish; retry or discard what can't be.",
    "bench": "Measure this machine.",
    "audit": "Who changed what; export it.",
    "users": "List and add people; set a password.",
    "sessions": "List and end sessions of the console.",
    "tokens": "List, create and revoke API tokens.",
}


class Commands(click.Group):
    """Finds a command's module by its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = cmd_name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"app.cli.{module}"), module)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Each command has --help with an example.",
)
def cli() -> None:
    """Penstock: events in, handlers run, nothing lost."""


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with its status."""
    try:
        status: Any = cli.main(arguments, prog_name="python -m app", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader, such as `head`, has seen enough
        sys.exit(0)
    except PenstockError as error:
        click.echo(f"Error: {explained(error)}", err=True)
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 0)
