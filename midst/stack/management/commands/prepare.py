"""``manage.py prepare``: a database ready to serve; one process, for each takes seconds."""

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
"""


class Command(BaseCommand):
    help = "Migrate, seed an empty database, and make the first superuser."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.epilog, parser.formatter_class = _EXAMPLES, RawDescriptionHelpFormatter
        parser.add_argument("--profiles", type=int, required=True)
        parser.add_argument("--admin", required=True, help="name; password: see the environment")

    def handle(self, *args: Any, profiles: int, admin: str, **options: Any) -> None:
        password = os.environ.get("DJANGO_SUPERUSER_PASSWORD")
        if not password:
            raise CommandError("Set DJANGO_SUPERUSER_PASSWORD.")
        call_command("migrate", verbosity=0)
        call_command("seed", profiles=profiles, if_empty=True)
        users = get_user_model()._default_manager
        if users.filter(is_superuser=True).exists():
            sys.exit(HAD_ADMIN)
        users.create_superuser(username=admin, password=password)
