"""``manage.py list_routes``: the project's URLs as the ``routes.json`` of load runs."""

from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

import msgspec
from django.core.management.base import CommandError

from perfops.analysis import queries
from perfops.analysis.collectors import origins
from perfops.conf import conf
from perfops.load import routes
from perfops.management import console
from perfops.management.console import ReportCommand


class Command(ReportCommand):
    help = (
        "Print a routes.json made of the project's URLs that runs as it is; what is left out, as "
        "nobody knows its ids, is told on stderr."
    )
    # Its output is often the very file that a check would miss.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--observed", action="store_true",
            help="routes, shares and ids as the traffic of the last days has them, as far as it "
            "sent statements",
        )  # fmt: skip
        parser.add_argument("--days", type=days, default=7, help="how many days of traffic (7)")

        parser.add_argument(
            "--filled", type=Path, metavar="FILE",
            help="a routes.json with every path written out from this database's rows",
        )  # fmt: skip
        parser.add_argument(
            "--format", choices=["json", "text"], default="json",
            help="json, as load runs read it; text: a line for each route, with its share",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        show = console.print_json if options["format"] == "json" else _print_lines
        if options["filled"]:
            try:
                listed = routes.filled(routes.read(options["filled"]))
            except routes.UnusableRoutes as error:
                raise CommandError(str(error), returncode=console.COULD_NOT_TELL) from error
            show(msgspec.to_builtins(listed))
            return
        executions = None
        if options["observed"]:
            executions = {
                each.name: each.executions
                for each in origins.scopes(since=queries.begin(options["days"]))
                if each.name.startswith("GET ")
            }
        found = routes.discovered(executions)
        show(found.routes)
        for path, fields in found.unfilled.items():
            names = ", ".join(f"{{{name}}}" for name in fields)
            console.err().print(
                f"Left out: {path}. Nobody knows what fills {names}: add "
                '{"model": "app.Model"} or {"paths": ["..."]} for it.',
                markup=False,
            )
        if not found.routes:
            console.err().print("No route was found: no traffic was counted yet.", markup=False)


def _print_lines(found: dict[str, Any]) -> None:
    for path, entry in found.items():
        share = entry["share"] if isinstance(entry, dict) else entry
        model = entry.get("model", "") if isinstance(entry, dict) else ""
        console.out().print(f"{share:>7g}  {path}  {model}".rstrip(), markup=False)


def days(text: str) -> int:
    """Return the number of days, at least one. Raises ``ArgumentTypeError``."""
    if not text.isdecimal() or not 0 < int(text) <= conf().KEEP_ORIGIN_DAYS:
        raise ArgumentTypeError(f"{text} is no number from 1 to {conf().KEEP_ORIGIN_DAYS}")
    return int(text)
