"""``manage.py advise_indexes``: the index advice that waits, and its migrations as files."""

import sys
from argparse import ArgumentParser
from typing import Any

from rich.markup import escape

from perfops.indexes import migration_files as migrations
from perfops.indexes import selectors
from perfops.management import console
from perfops.management.base_command import ReportCommand


class Command(ReportCommand):
    help = (
        "List the index advice of the analyses so far, best first; --write-migrations puts the "
        "migrations into their apps. Exit codes: 0 fine, 2 a migration could not be written."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--database", default="default", help="alias in DATABASES")
        parser.add_argument(
            "--write-migrations", action="store_true", help="write them into their apps"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        out, code = console.out(), console.FINE
        waiting = selectors.with_migrations(options["database"])
        if not waiting:
            out.print("No index advice with a migration waits: run `manage.py analyze_db`.")
        for advice in waiting:
            out.print(f"[bold]{escape(advice.finding.title)}[/bold]")
            out.print(f"  {advice.app_label} Meta.indexes: {escape(advice.meta)}")
            if options["write_migrations"]:
                try:
                    out.print(f"  written: {migrations.write(advice)}")
                except migrations.NotWritten as error:
                    console.err().print(str(error), markup=False)
                    code = console.COULD_NOT_TELL
        sys.exit(code)
