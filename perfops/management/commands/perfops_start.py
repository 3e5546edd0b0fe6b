"""``manage.py perfops_start``: what is missing, in order, then an analysis and where to begin."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core import checks
from django.db import connections, router
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from rich.console import Console
from rich.markup import escape

from perfops.analysis import services as analyses
from perfops.analysis.services import Report
from perfops.management import console
from perfops.management.console import ReportCommand
from perfops.management.formats import formatting
from perfops.models.analyses import Analysis

_FIRST = 3
_NO_TRAFFIC = (
    "No request or task was counted yet",
    "Use the application for a minute, wait half a minute more, and run this again.",
)


class Command(ReportCommand):
    help = (
        "Say what the project and its server still need for perfops, in order, with what to "
        "paste; then analyse, and name the first three things worth doing. Exit codes: 0 nothing "
        "is missing, 1 something is, 2 could not analyse."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--database", default="default", help="alias in DATABASES")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, **options: Any) -> None:
        as_json = options["format"] == "json"
        # A program reads nothing but the JSON on stdout.
        out = console.err() if as_json else console.out()
        steps = [
            (found.msg, found.hint or "")
            for found in checks.run_checks()
            if str(found.id).startswith("perfops.")
        ]
        _show(out, steps)
        if not _is_migrated():
            _show(out, [("perfops' tables are not there", "python manage.py migrate")], len(steps))
            out.print("Do this first, then run perfops_start again.")
            sys.exit(console.COULD_NOT_TELL)
        try:
            report = analyses.analyse(database=options["database"])
        except analyses.CouldNotAnalyse as error:
            console.err().print(str(error), markup=False)
            sys.exit(console.COULD_NOT_TELL)
        server = [
            (f"{each.source}: {each.reason}. {each.cost}".strip(), each.remedy)
            for each in report.window.missing
        ]
        # migrate has just been one: commands say nothing of how the application is used.
        if all(each.kind == "command" for each in report.window.scopes):
            server.append(_NO_TRAFFIC)
        _show(out, server, len(steps))
        if not steps and not server:
            out.print("Nothing is missing.")
        _first_things(out, report)
        if as_json:
            missing = [{"what": str(what), "paste": paste} for what, paste in [*steps, *server]]
            first = [each.title for each in _first(report)]
            console.print_json({"missing": missing, "first": first})
        sys.exit(console.NOT_FINE if steps or server else console.FINE)


def _is_migrated() -> bool:
    # Without the graph: an app of the project may have no migrations yet, and others wait for it.
    loader = MigrationLoader(None, load=False)
    loader.load_disk()
    recorder = MigrationRecorder(connections[router.db_for_write(Analysis) or "default"])
    ours = {each for each in loader.disk_migrations if each[0] == "perfops"}
    return ours <= recorder.applied_migrations().keys()


def _show(out: Console, steps: list[tuple[Any, str]], before: int = 0) -> None:
    for number, (what, paste) in enumerate(steps, before + 1):
        out.print(f"[bold]{number}.[/bold] {escape(str(what))}")
        for line in paste.splitlines():
            out.print(f"   {line}", markup=False)


def _first(report: Report) -> list[formatting.Entry]:
    return [each for each in formatting.entries(report) if not each.apart][:_FIRST]


def _first_things(out: Console, report: Report) -> None:
    entries = _first(report)
    if not entries:
        out.print(f"\n{formatting.healthy(report)[0].upper()}{formatting.healthy(report)[1:]}.")
        return
    out.print("\n[bold]Worth doing first:[/bold]")
    for entry in entries:
        issue = entry.issues[0]
        impact = f" ({entry.impact})" if entry.impact else ""
        out.print(f"- {escape(entry.title)}{impact}")
        for line in (formatting.site(issue, report), issue.remedy, issue.statement):
            if line:
                out.print(f"  {line}", markup=False)
    out.print("All of them: `manage.py analyze_db`, or Performance in the admin.")
