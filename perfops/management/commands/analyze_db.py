"""``manage.py analyze_db``: what ails the database, and what mends it."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from perfops.management import console, report
from perfops.services import analyses


class Command(BaseCommand):
    help = "Analyse the database. Exit codes: 0 fine, 1 findings at --fail-on, 2 could not analyse."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--format", choices=["text", "json"], default="text")
        parser.add_argument("--database", default="default", help="alias in DATABASES")
        parser.add_argument("--no-store", action="store_true", help="leave no trace")
        parser.add_argument(
            "--fail-on", choices=["error", "warning"], default="error",
            help="the mildest severity that makes the exit code 1",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = analyses.analyse(database=options["database"], store=not options["no_store"])
        except analyses.CouldNotAnalyse as error:
            console.err().print(str(error), markup=False)
            sys.exit(console.COULD_NOT_TELL)
        if options["format"] == "json":
            console.print_json(report.analysis_as_data(found))
        else:
            report.analysis_as_text(found, console.out())
        grave = found.counts["error"]
        if options["fail_on"] == "warning":
            grave += found.counts["warning"]
        sys.exit(console.NOT_FINE if grave else console.FINE)
