"""``manage.py load_run ID``: a load run as it is now; canceled, or going on at another rate."""

import sys
from argparse import ArgumentParser
from typing import Any, NoReturn

from perfops.jobs import lifecycle
from perfops.load import progress
from perfops.load import services as runs
from perfops.management import console, report
from perfops.management.console import ReportCommand
from perfops.models.runs import LoadRun


class Command(ReportCommand):
    help = (
        "Show a load run, cancel it, or have it go on at another rate. Exit codes: 0 done or "
        "shown, 2 could not."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", type=int, help="its number")
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--rate",
            type=float,
            help="go on at this rate (req/s) within seconds, to its plan's end",
        )
        what.add_argument("--cancel", action="store_true", help="end it within seconds")
        parser.add_argument("--format", choices=["text", "json"], default="text")

    def handle(self, *args: Any, run: int, **options: Any) -> None:
        lifecycle.reap()
        found = LoadRun.objects.filter(pk=run).first()
        if found is None:
            last = LoadRun.objects.order_by("-pk").values_list("pk", flat=True).first()
            _refuse(
                f"There is no run {run}; " + (f"the newest is {last}." if last else "none yet.")
            )
        self._do(found, options)

    def _do(self, run: LoadRun, options: dict[str, Any]) -> None:
        done = ""
        if options["rate"] is not None:
            try:
                runs.request_rate(run.pk, options["rate"])
            except runs.RunRefused as error:
                _refuse(str(error))
            done = f"Run {run.pk} goes on with {options['rate']:,.4g} req/s within seconds."
        elif options["cancel"]:
            if not runs.request_cancel(run.pk) and not run.cancel_requested_at:
                _refuse(f"Run {run.pk} has ended already.")
            done = f"Run {run.pk} is being canceled."
        run.refresh_from_db()
        if options["format"] == "json":
            data = {**report.run_as_data(run), "progress": progress.as_data(run), "done": done}
            console.print_json(data)
            return
        if done:
            console.out().print(done, markup=False)
        elif run.is_active:
            console.out().print(report.progress_line(run, progress.of(run)), markup=False)
        else:
            report.run_as_text(run, console.out())


def _refuse(sentence: str) -> NoReturn:
    console.err().print(sentence, markup=False)
    sys.exit(console.COULD_NOT_TELL)
