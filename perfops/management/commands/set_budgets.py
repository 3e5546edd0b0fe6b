"""``manage.py set_budgets FILE``: the budgets as a file of the project has them."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from perfops.budgets import services as budgets
from perfops.management import console
from perfops.management.console import ReportCommand


class Command(ReportCommand):
    help = "Set the budgets that FILE (JSON) lists, and turn off all others."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--why", default="", help="for the history of changes")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, file: Path, why: str, **options: Any) -> None:
        try:
            wanted = budgets.wanted(file.read_bytes())
            count, off = budgets.replace_budgets(wanted, why=why or f"set_budgets {file.name}")
        except OSError as error:
            raise _refused(f"{file}: {error.strerror}.") from error
        except budgets.UnusableBudgets as error:
            raise _refused(f"{file}: {error}") from error
        if options["format"] == "json":
            console.print_json({"set": count, "turned_off": off})
            return
        self.stdout.write(f"Budgets set: {count}; others turned off: {off}.")


def _refused(reason: str) -> CommandError:
    return CommandError(reason, returncode=console.COULD_NOT_TELL)
