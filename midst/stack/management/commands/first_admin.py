"""``manage.py first_admin``: a superuser for a database that has none."""

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

EXISTS = 3


class Command(BaseCommand):
    help = f"Make the first superuser; exits with {EXISTS} when there is one already."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--username", required=True)

    def handle(self, *args: Any, username: str, **options: Any) -> None:
        password = os.environ.get("DJANGO_SUPERUSER_PASSWORD")
        if not password:
            raise CommandError("Set DJANGO_SUPERUSER_PASSWORD.")
        users = get_user_model()._default_manager
        if users.filter(is_superuser=True).exists():
            sys.exit(EXISTS)
        users.create_superuser(username=username, password=password)
