"""Commands whose exit code is an answer: 0 fine, 1 not fine, 2 could not tell."""

import sys
import traceback
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from perfops.management import console


class ReportCommand(BaseCommand):
    """A crash, or a database that is away or not migrated, is *could not tell*: exit code 2."""

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
        except CommandError:
            raise
        except Exception as error:
            # Python's own exit code for a crash is 1, which here means *not fine*.
            traceback.print_exc()
            console.err().print(
                f"{type(error).__name__}: nothing could be told. This is a fault of perfops; the "
                "traceback above belongs into its report.",
                markup=False,
            )
            sys.exit(console.COULD_NOT_TELL)
