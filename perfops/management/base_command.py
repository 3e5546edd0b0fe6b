"""Commands whose exit code is an answer: 0 fine, 1 not fine, 2 could not tell."""

import sys
from typing import Any

from django.core.management.base import BaseCommand
from django.db import Error

from perfops.management import console


class ReportCommand(BaseCommand):
    """A database that is away or not migrated is *could not tell*, and never *not fine*."""

    def execute(self, *args: Any, **options: Any) -> Any:
        try:
            return super().execute(*args, **options)
        except Error as error:
            reason = str(error).partition("\n")[0]
            console.err().print(
                f"The database can't be used: {reason}. Is it up, and migrated by "
                "`manage.py migrate`?",
                markup=False,
            )
            sys.exit(console.COULD_NOT_TELL)
