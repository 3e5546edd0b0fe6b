"""``manage.py advise_indexes``: index recommendations that wait, and their migrations."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.db import connections
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

        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["database"] not in connections:
            console.err().print(
                f"There is no database {options['database']!r} in DATABASES; there is: "
                f"{', '.join(connections)}.", markup=False,
            )  # fmt: skip
            sys.exit(console.COULD_NOT_TELL)
        undeclared = migration_files.not_declared(options["database"])
        waiting = [
            each
            for each in migration_files.with_migrations(options["database"])
            if each not in undeclared
        ]
        write, code = options["write_migrations"], console.NOT_FINE if undeclared else console.FINE
        if options["format"] == "json":
            rows = [_as_data(each, is_written=True) for each in undeclared]
            for each in waiting:
                path = _written(each) if write else None
                rows.append(_as_data(each, is_written=path is not None))
                code = console.COULD_NOT_TELL if write and path is None else code
            console.print_json(rows)
            sys.exit(code)
        out = console.out()
        for recommendation in undeclared:
            out.print(f"[bold]{escape(recommendation.finding.title)}[/bold]")
            out.print(
                f"  [yellow]{recommendation.migration_name} is in its app, and the model is not "
                "edited: the next makemigrations would undo it.[/yellow]"
            )
            _show_edit(out, recommendation)
        if not waiting and not undeclared:
            out.print("No index recommendation with a migration waits: run `manage.py analyze_db`.")
        for recommendation in waiting:
            out.print(f"[bold]{escape(recommendation.finding.title)}[/bold]")
            _show_edit(out, recommendation)
            path = _written(recommendation) if write else None
            if path is not None:
                out.print(f"  written: {path}", markup=False)
            elif write:
                code = console.COULD_NOT_TELL
        sys.exit(code)


def _written(recommendation: Recommendation) -> Path | None:
    """Write its migration; None, and why on stderr, where that can't be done."""
    try:
        return migration_files.write(recommendation)
    except migration_files.NotWritten as error:
        console.err().print(str(error), markup=False)
        return None


def _as_data(recommendation: Recommendation, *, is_written: bool) -> dict[str, Any]:
    return {
        "title": recommendation.finding.title,
        "app": recommendation.app_label,
        "migration": recommendation.migration_name,
        "is_written": is_written,
        "meta": recommendation.meta,
        "statement": recommendation.finding.statement,
        "gain": recommendation.gain,
    }


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
