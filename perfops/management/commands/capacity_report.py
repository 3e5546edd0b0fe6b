"""``manage.py capacity_report``: growth, room that is left, and what is full first."""

import sys
from argparse import ArgumentParser
from typing import Any

import msgspec

from perfops.analysis.capacity import review as reviews
from perfops.management import capacity_text, console
from perfops.management.console import ReportCommand


class Command(ReportCommand):
    help = (
        "How fast a database grows, how much room is left, and what is full first, from what "
        "snapshots, analyses and query origins have stored. Exit codes: 0 nothing is full before "
        "the next review in three months, 1 something may be, 2 can't tell."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--database", default="default", help="alias in DATABASES")
        parser.add_argument(
            "--days", type=int, default=reviews.DAYS, help=f"how far back ({reviews.DAYS})"
        )
        parser.add_argument("--keep", action="store_true", help="keep it for the admin's page")
        parser.add_argument("--format", choices=["text", "json", "markdown"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        database = console.known_database(options["database"])
        found = reviews.build(database, days=options["days"])
        if options["keep"]:
            reviews.keep(found)
        if options["format"] == "json":
            code = capacity_text.code_of(found)
            data = msgspec.to_builtins(found)
            console.print_json({"exit_code": code, "sentence": found.sentence, **data})
        elif options["format"] == "markdown":
            self.stdout.write(capacity_text.markdown(found), ending="")
        else:
            out = console.out()
            for line in capacity_text.lines(found):
                out.print(line, markup=False)
        sys.exit(capacity_text.code_of(found))
