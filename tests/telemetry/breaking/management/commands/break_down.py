"""A command that does not end well."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("password")
        parser.add_argument("--expected", action="store_true")

    def handle(self, *args: Any, password: str, expected: bool, **options: Any) -> None:
        if expected:
            raise CommandError("as was to be expected")
        # Lines of code are sent too: what is looked for must not stand in one.
        address = "{}@example.org".format("ada")
        raise ValueError(f"password={password} of {address}")
