"""``manage.py analyze_db``: problems of the database, and their fixes."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from perfops.analysis import services as analyses
from perfops.analysis.advisors.detection import ORDER
from perfops.analysis.snapshots import Since, parse_since
from perfops.management import console
from perfops.management.console import ReportCommand
from perfops.management.formats import renderers


class Command(ReportCommand):
    help = "Analyse the database. Exit codes: 0 fine, 1 findings at --fail-on, 2 could not analyse."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--database", default="default", help="alias in DATABASES")
        parser.add_argument(
            "--since", type=since, metavar="ID|TIME",
            help="where the window begins: an analysis, or how long ago (30m, 24h, 7d, 2w); "
            "else the last analysis that is an hour old, else all that the counters hold",
        )  # fmt: skip
        parser.add_argument(
            "--only", type=names, default=(), metavar="ADVISOR[,...]", help="ask these alone"
        )
        parser.add_argument(
            "--fail-on", choices=ORDER, default="error",
            help="the mildest severity that makes the exit code 1",
        )  # fmt: skip
        parser.add_argument("--no-store", action="store_true", help="leave no trace")
        parser.add_argument("--format", choices=list(renderers()), default="text")
        parser.add_argument("--output", type=Path, metavar="FILE", help="instead of stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = analyses.analyse(
                database=options["database"],
                since=options["since"],
                only=options["only"],
                store=not options["no_store"],
            )
            _write(renderers()[options["format"]](found), options["output"])
        except (analyses.CouldNotAnalyse, OSError) as error:
            console.err().print(str(error), markup=False)
            sys.exit(console.COULD_NOT_TELL)
        grave = ORDER[: ORDER.index(options["fail_on"]) + 1]
        sys.exit(console.NOT_FINE if found.has(grave) else console.FINE)


def since(text: str) -> Since:
    """Return the id of an analysis, or how long ago. Raises ``ArgumentTypeError``."""
    try:
        return parse_since(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


def names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _write(report: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(report)
    else:
        output.write_text(report, encoding="utf-8")
