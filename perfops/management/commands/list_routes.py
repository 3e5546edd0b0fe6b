"""``manage.py list_routes``: the project's URLs as the ``routes.json`` of load runs."""

from typing import Any

from django.core.management.base import BaseCommand

from perfops.load import routes
from perfops.management import console


class Command(BaseCommand):
    help = "Print a routes.json made of the project's URLs: take out what no load may ask for."
    # Its output is often the very file that a check would miss.
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        console.print_json(routes.discovered())
