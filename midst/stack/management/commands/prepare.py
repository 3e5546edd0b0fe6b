"""``manage.py prepare``: a database ready to serve; one process, for each takes seconds."""

import json
import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from midst.stack.run import HAD_ADMIN

_EXAMPLES = """examples:
  DJANGO_SUPERUSER_PASSWORD=... manage.py prepare --profiles 1000 --admin admin
  DJANGO_SUPERUSER_PASSWORD=... manage.py prepare --profiles 0 --admin admin --format json
"""


class Command(BaseCommand):
    help = (
        "Migrate, seed an empty database, and make the first superuser. Exit codes: 0 ready, "
        "1 refused, 3 ready, and there was a superuser before."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.epilog, parser.formatter_class = _EXAMPLES, RawDescriptionHelpFormatter
        parser.add_argument("--profiles", type=int, required=True)
        parser.add_argument("--admin", required=True, help="name; password: see the environment")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, profiles: int, admin: str, **options: Any) -> None:
        password = os.environ.get("DJANGO_SUPERUSER_PASSWORD")
        if not password:
            raise CommandError("Set DJANGO_SUPERUSER_PASSWORD.")
        call_command("migrate", verbosity=0)
        as_json = options["format"] == "json"
        # A program reads nothing but the JSON on stdout.
        reports = self.stderr if as_json else self.stdout
        call_command("seed", profiles=profiles, if_empty=True, stdout=reports)
        users = get_user_model()._default_manager
        had_admin = users.filter(is_superuser=True).exists()
        if not had_admin:
            users.create_superuser(username=admin, password=password)
        if as_json:
            self.stdout.write(json.dumps({"admin": admin, "admin_made": not had_admin}))
        if had_admin:
            sys.exit(HAD_ADMIN)
