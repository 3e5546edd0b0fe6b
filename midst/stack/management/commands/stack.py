"""``manage.py stack``: development's servers and processes."""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from midst.stack import run
from midst.stack.state import StackError

_EXAMPLES = """examples:
  manage.py stack run       everything, until Ctrl-C
  manage.py stack up        only PostgreSQL and Valkey, in the background
  manage.py stack status    what runs
  manage.py stack down      stop them
"""


class Command(BaseCommand):
    help = "Start and stop the embedded PostgreSQL and Valkey, alone or with everything of Midst."
    # It comes before there is a database.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.epilog, parser.formatter_class = _EXAMPLES, RawDescriptionHelpFormatter
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("run", help="everything: migrate, seed, serve, load, judge, until Ctrl-C")
        verbs.add_parser("up", help="start the two servers in the background")
        verbs.add_parser("down", help="stop what `up` started")
        verbs.add_parser("status", help="say what runs")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        try:
            if verb == "run":
                run.run(self._say)
            else:
                act = {"up": run.up, "down": run.down, "status": run.status}
                self._say("\n".join(act[verb]()) or "Nothing runs.")
        except StackError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(
                f"{error.strerror or error}: {error.filename or 'no file'}"
            ) from error

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
        sys.stdout.flush()
