"""Reports on stdout, progress on stderr, exit codes: 0 fine, 1 not fine, 2 could not tell."""

import json
import os
import sys
import traceback
from argparse import RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connections
from rich.console import Console
from rich.text import Text

import perfops
from perfops.database import packages
from perfops.formatting import first_line, visible
from perfops.management.examples import EXAMPLES

COLOURS = {
    "pass": "green", "met": "green", "warn": "yellow", "near": "yellow", "warning": "yellow",
    "fail": "red", "violated": "red", "error": "red", "invalid": "magenta", "info": "cyan",
}  # fmt: skip
FINE, NOT_FINE, COULD_NOT_TELL = 0, 1, 2
_LOG_WIDTH = 120
_OURS = Path(perfops.__path__[0])


class _SafeConsole(Console):
    """Shows control characters instead of sending them: names and messages may hold any."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text), **options)


def out() -> Console:
    """Return the console for the report."""
    return _console(stderr=False)


def err() -> Console:
    """Return the console for progress and errors."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    # A report may be cut by no width; a progress bar must fit into its line.
    # ":fire:" within a name is text as well.
    console = _SafeConsole(stderr=stderr, highlight=False, soft_wrap=not stderr, emoji=False)
    if not console.is_terminal:
        # A log has no width; tables must not be cut to a guessed one.
        console.width = _LOG_WIDTH
    return console


def coloured(text: str, kind: str) -> str:
    """Return rich markup of ``text`` in the colour of ``kind``."""
    colour = COLOURS.get(kind, "dim")
    return f"[{colour}]{text}[/{colour}]"


def print_json(data: Any) -> None:
    """Write ``data`` on stdout, and nothing else."""
    json.dump(data, sys.stdout, indent=2, default=str)
    sys.stdout.write("\n")


def known_database(alias: str) -> str:
    """Return ``alias`` when ``DATABASES`` has it. Raises ``CommandError``, which ends with 2."""
    if alias not in connections:
        known = ", ".join(connections)
        raise CommandError(
            f"There is no database {alias!r} in DATABASES; there is: {known}.",
            returncode=COULD_NOT_TELL,
        )
    return alias


def unusable(error: Error) -> str:
    """Return what is wrong with the database, and what to look at."""
    reason = first_line(error)
    return f"The database can't be used: {reason}. Is it up, and migrated by `manage.py migrate`?"


class ReportCommand(BaseCommand):
    """A crash, or a database that is away or not migrated, is *could not tell*: exit code 2."""

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> Any:
        lines = "\n".join(f"  {line}" for line in EXAMPLES[subcommand].strip().splitlines())
        return super().create_parser(
            prog_name, subcommand, epilog=f"examples:\n{lines}",
            formatter_class=RawDescriptionHelpFormatter, **options,
        )  # fmt: skip

    def execute(self, *args: Any, **options: Any) -> Any:
        try:
            return super().execute(*args, **options)
        except Error as error:
            err().print(unusable(error), markup=False, soft_wrap=True)
            sys.exit(COULD_NOT_TELL)
        except CommandError:
            raise
        except BrokenPipeError:
            # Whoever read it (``| head``) has seen enough; Python flushes once more at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(COULD_NOT_TELL)
        except Exception as error:
            # Python's own exit code for a crash is 1, which here means *not fine*.
            traceback.print_exc()
            err().print(f"Nothing could be told. {_whose(error)}", markup=False, soft_wrap=True)
            sys.exit(COULD_NOT_TELL)


def _whose(error: Exception) -> str:
    """Return who can do something about a crash: the project where its code or settings failed."""
    name, place = type(error).__name__, _place_in_project(error)
    if place:
        return f"The project has an error at {place}: {name}: {first_line(error)}"
    if isinstance(error, ImproperlyConfigured):
        return f"The project's settings or URLconf have an error: {first_line(error)}"
    return f"{name}: this is a fault of perfops; the traceback above belongs into its report."


def _place_in_project(error: Exception) -> str:
    """Return file and line of the project's code that failed when perfops called for it, or ""."""
    frames = [(f.filename, f.lineno) for f in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        # What can't be read has no frame.
        frames.append((error.filename, error.lineno))
    for file, line in reversed(frames):
        path = Path(file)
        if path.is_relative_to(_OURS):
            break
        # "<frozen importlib>" is no file.
        if not file.startswith("<") and not packages.is_installed(path):
            return f"{file}:{line}"
    return ""
