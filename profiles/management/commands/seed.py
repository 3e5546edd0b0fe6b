"""``manage.py seed``: development data."""

import json
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from profiles import seeding

_EXAMPLES = """examples:
  manage.py seed                             10,000 profiles
  manage.py seed --profiles 200 --seed 7     other ones
  manage.py seed --if-empty                  only when there is none yet
  manage.py seed --format json               how many were added, for a program
"""


class Command(BaseCommand):
    help = "Make profiles, the same ones for the same --seed; tops up what is there."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.epilog, parser.formatter_class = _EXAMPLES, RawDescriptionHelpFormatter
        parser.add_argument("--profiles", type=int, default=10_000)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--if-empty", action="store_true", help="only when there is none yet")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, profiles: int, seed: int, if_empty: bool, **options: Any) -> None:
        if profiles < 0 or seed < 0:
            raise CommandError("--profiles and --seed can't be negative.")
        as_json = options["format"] == "json"
        if if_empty and seeding.any_profiles():
            if as_json:
                self._print({"seed": seed, "added": 0, "made_by_hand": []})
            return
        by_hand = seeding.handmade()
        console = Console(file=sys.stderr)
        with Progress(
            TextColumn("Seeding profiles"), BarColumn(), MofNCompleteColumn(),
            TimeRemainingColumn(), console=console, disable=not console.is_terminal,
        ) as bar:  # fmt: skip
            task = bar.add_task("seed", total=profiles)
            added = seeding.seed(
                profiles=profiles, seed=seed, progress=lambda rows: bar.advance(task, rows)
            )
        if as_json:
            self._print({"seed": seed, "added": added, "made_by_hand": by_hand})
            return
        if by_hand:
            self.stdout.write(f"Made by hand: {', '.join(by_hand)}.")
        self.stdout.write(
            f"Seed {seed}: profiles added: {added:,}, there before: {profiles - added:,}."
        )

    def _print(self, data: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(data))
