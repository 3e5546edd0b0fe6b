"""``manage.py create_account``: sign-up is ours to do."""

import getpass
import json
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from midst.accounts import services

_EXAMPLES = """examples:
  manage.py create_account ada --email ada@example.org          asks for the password
  manage.py create_account ada --staff < password.txt           reads it from standard input
  manage.py create_account ada --format json < password.txt     for a program
"""


class Command(BaseCommand):
    help = "Make an account. The password is asked for, or read from standard input."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.epilog, parser.formatter_class = _EXAMPLES, RawDescriptionHelpFormatter
        parser.add_argument("username")
        parser.add_argument("--email", default="")
        parser.add_argument("--staff", action="store_true", help="may enter the admin")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, username: str, email: str, staff: bool, **options: Any) -> None:
        try:
            services.create_account(
                username=username, password=_password(), email=email, staff=staff
            )
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        if options["format"] == "json":
            self.stdout.write(json.dumps({"username": username, "email": email, "staff": staff}))
            return
        self.stdout.write(f"The account {username} is there.")


def _password() -> str:
    if not sys.stdin.isatty():
        line = sys.stdin.readline().rstrip("\n")
        if not line:
            raise CommandError("There is no password on standard input: write it there as a line.")
        return line
    password = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != password:
        raise CommandError("The two passwords differ.")
    return password
