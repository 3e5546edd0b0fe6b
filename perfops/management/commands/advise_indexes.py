"""``manage.py advise_indexes``: index recommendations that wait, and their migrations."""

import sys
from argparse import ArgumentParser
from typing import Any

from rich.markup import escape

from perfops.indexes import migration_files
from perfops.management import console
from perfops.management.console import ReportCommand


class Command(ReportCommand):
    help = (
        "List the index recommendations of the analyses so far, best first; --write-migrations "
        "puts the migrations into their apps. Exit codes: 0 fine, 2 a migration could not be "
        "written."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--database", default="default", help="alias in DATABASES")
        parser.add_argument(
            "--write-migrations", action="store_true", help="write them into their apps"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        out, code = console.out(), console.FINE
        waiting = migration_files.with_migrations(options["database"])
        if not waiting:
            out.print("No index recommendation with a migration waits: run `manage.py analyze_db`.")
        for recommendation in waiting:
            out.print(f"[bold]{escape(recommendation.finding.title)}[/bold]")
            out.print(f"  {recommendation.app_label} Meta.indexes: {escape(recommendation.meta)}")
            if options["write_migrations"]:
                try:
                    path = migration_files.write(recommendation)
                    out.print(f"  written: {path}", markup=False)
                except migration_files.NotWritten as error:
                    console.err().print(str(error), markup=False)
                    code = console.COULD_NOT_TELL
        sys.exit(code)
