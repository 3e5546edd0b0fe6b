"""``manage.py perfops``: are we fine? In five lines."""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from perfops import overview
from perfops.management.console import (
    COULD_NOT_TELL,
    FINE,
    NOT_FINE,
    ReportCommand,
    out,
    print_json,
)

_EXAMPLES = """
examples:
  manage.py perfops                  five lines: fine or not, last run, budgets, findings, now
  manage.py perfops --format json    the same for a program
  manage.py perfops && ./deploy      exit codes: 0 fine, 1 not fine, 2 not known
"""
_CODES = {"good": FINE, "warning": FINE, "bad": NOT_FINE, "odd": COULD_NOT_TELL}
_COLOURS = {"good": "green", "warning": "yellow", "bad": "red", "odd": "magenta"}


class Command(ReportCommand):
    help = "Say whether something is wrong. Exit codes: 0 fine, 1 not fine, 2 not known."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        return super().create_parser(
            prog_name, subcommand, epilog=_EXAMPLES, formatter_class=RawDescriptionHelpFormatter
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--format", choices=("text", "json"), default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        state = overview.collect()
        lines = overview.lines(state)
        if options["format"] == "json":
            keys = ("headline", "last_run", "budgets", "findings", "now")
            values = [lines[0], *(line.partition(": ")[2] for line in lines[1:])]
            print_json(
                {"state": state.kind, **dict(zip(keys, values, strict=True)),
                 "reasons": list(state.reasons)}
            )  # fmt: skip
        else:
            console = out()
            console.print(lines[0], style=_COLOURS[state.kind], markup=False)
            for line in lines[1:]:
                console.print(line, markup=False)
        sys.exit(_CODES[state.kind])
