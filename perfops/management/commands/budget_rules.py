"""``manage.py budget_rules``: the budgets as Prometheus' recording and alert rules."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from perfops.budgets import selectors as budgets
from perfops.management import console
from perfops.management.console import ReportCommand


class Command(ReportCommand):
    help = "Print the rules made from the enabled budgets, or write or check a file of them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--output", type=Path, help="write this file; then reload Prometheus")
        what.add_argument("--check", type=Path, help="exit with 1 unless this file is in step")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, output: Path | None, check: Path | None, **options: Any) -> None:
        text, as_json = budgets.rules(), options["format"] == "json"
        if output is None and check is None:
            if as_json:
                console.print_json({"groups": budgets.rules_as_data()})
            else:
                self.stdout.write(text, ending="")
            return
        try:
            if output is not None:
                output.write_text(text)
            in_step = check is None or check.read_text() == text
        except OSError as error:
            text = f"{error.filename}: {error.strerror}."
            raise CommandError(text, returncode=console.COULD_NOT_TELL) from error
        if as_json:
            console.print_json({"file": output or check, "in_step": in_step})
        if not in_step:
            self.stderr.write(
                f"{check} is not what the budgets say: run "
                f"`manage.py budget_rules --output {check}` and reload Prometheus."
            )
            sys.exit(console.NOT_FINE)
