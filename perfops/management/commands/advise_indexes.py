"""``manage.py advise_indexes``: index recommendations that wait, and their migrations."""

import sys
from argparse import ArgumentParser
from typing import Any

from rich.console import Console
from rich.markup import escape

from perfops.indexes import migration_files
from perfops.indexes.declaration import NotDjangos
from perfops.management import console
from perfops.management.console import ReportCommand
from perfops.models.analyses import Recommendation


class Command(ReportCommand):
    help = (
        "List the index recommendations of the analyses so far, best first, with the edit of the "
        "model; --write-migrations puts the migrations into their apps. Exit codes: 0 fine, 1 a "
        "migration is in its app and its model is not edited yet, 2 a migration could not be "
        "written."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--database", default="default", help="alias in DATABASES")
        parser.add_argument(
            "--write-migrations", action="store_true", help="write them into their apps"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        out, code = console.out(), console.FINE
        undeclared = migration_files.not_declared(options["database"])
        for recommendation in undeclared:
            code = console.NOT_FINE
            out.print(f"[bold]{escape(recommendation.finding.title)}[/bold]")
            out.print(
                f"  [yellow]{recommendation.migration_name} is in its app, and the model is not "
                "edited: the next makemigrations would undo it.[/yellow]"
            )
            _show_edit(out, recommendation)
        waiting = [
            each
            for each in migration_files.with_migrations(options["database"])
            if each not in undeclared
        ]
        if not waiting and not undeclared:
            out.print("No index recommendation with a migration waits: run `manage.py analyze_db`.")
        for recommendation in waiting:
            out.print(f"[bold]{escape(recommendation.finding.title)}[/bold]")
            _show_edit(out, recommendation)
            if options["write_migrations"]:
                try:
                    path = migration_files.write(recommendation)
                    out.print(f"  written: {path}", markup=False)
                except migration_files.NotWritten as error:
                    console.err().print(str(error), markup=False)
                    code = console.COULD_NOT_TELL
        sys.exit(code)


def _show_edit(out: Console, recommendation: Recommendation) -> None:
    """Show what to change in the model's file, as a diff that ``git apply`` takes."""
    try:
        edit = migration_files.edit_of(recommendation)
    except NotDjangos as error:
        out.print(f"  {recommendation.app_label} Meta.indexes: {escape(recommendation.meta)}")
        out.print(f"  There is no diff, as {escape(str(error))}.")
        return
    out.print(f"  Edit {edit.model} in {edit.path}, line {edit.line}:", markup=False)
    # As it is: colours and a terminal's width would break it.
    sys.stdout.write(edit.diff)
