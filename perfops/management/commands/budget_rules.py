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

    def handle(self, *args: Any, output: Path | None, check: Path | None, **options: Any) -> None:
        text = budgets.rules()
        try:
            if output is not None:
                output.write_text(text)
            elif check is None:
                self.stdout.write(text, ending="")
            elif check.read_text() != text:
                self.stderr.write(
                    f"{check} is not what the budgets say: run "
                    f"`manage.py budget_rules --output {check}` and reload Prometheus."
                )
                sys.exit(console.NOT_FINE)
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}.") from error
