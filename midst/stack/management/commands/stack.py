"""``manage.py stack``: development's servers and processes."""

import json
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from midst.stack import run
from midst.stack.process import Child
from midst.stack.state import StackError

_EXAMPLES = """examples:
  manage.py stack run       everything, until Ctrl-C
  manage.py stack up        only PostgreSQL and Valkey, in the background
  manage.py stack status    what runs; with --format json for a program
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
        for name, what in (
            ("up", "start the two servers in the background"),
            ("down", "stop what `up` started"),
            ("status", "say what runs"),
        ):
            verb = verbs.add_parser(name, help=what)
            verb.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        try:
            if verb == "run":
                run.run(self._say)
            else:
                self._report(verb, as_json=options["format"] == "json")
        except StackError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(
                f"{error.strerror or error}: {error.filename or 'no file'}"
            ) from error

    def _report(self, verb: str, *, as_json: bool) -> None:
        data: dict[str, Any]
        if verb == "down":
            lines = run.down()
            data = {"stopped": lines}
        else:
            children = run.up() if verb == "up" else run.status()
            lines = list(map(_line, children))
            data = {"processes": list(map(_data, children))}
        self._say(json.dumps(data) if as_json else "\n".join(lines) or "Nothing runs.")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
        sys.stdout.flush()


def _data(child: Child) -> dict[str, Any]:
    running = child.is_running()
    return {"name": child.name, "running": running, "pid": child.pid, "log": str(child.log)}


def _line(child: Child) -> str:
    state = "running" if child.is_running() else "ended"
    return f"{child.name:<10} {state:<8} pid {child.pid:<8} {child.log}"
