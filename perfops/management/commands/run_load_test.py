"""``manage.py run_load_test SCENARIO``: a load run, watched to its verdict."""

import sys
from argparse import ArgumentParser
from typing import Any

from perfops.budgets import starting, verdicts
from perfops.budgets.against import same_build
from perfops.budgets.selectors import of_run
from perfops.budgets.starting import Wishes
from perfops.load import execution
from perfops.load import services as runs
from perfops.load.parameters import ORDERS, ParametersRefused, parse_mix
from perfops.management import console, report
from perfops.management import report as watching
from perfops.management.budget_report import BudgetReport, as_markdown
from perfops.management.console import ReportCommand


class Command(ReportCommand):
    help = "Run a k6 scenario and judge it. Exit codes: 0 pass, 1 fail, 2 could not tell."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("scenario", help="smoke, or another of scenarios.json")
        parser.add_argument("--target", help="base URL; default: PERFOPS['DEFAULT_TARGET']")
        parser.add_argument(
            "--rate", type=float, help="highest rate (req/s), where not as the scenario says"
        )
        parser.add_argument(
            "--seconds", type=float, help="duration (s), where not as the scenario says"
        )
        parser.add_argument(
            "--mix", action="append", default=[], metavar='"PART SHARE"',
            help="a part of the scenario and its share; once for each, the others are not asked "
            "for",
        )  # fmt: skip
        parser.add_argument(
            "--rows", type=int, help="how many different rows fill in paths: more are colder caches"
        )
        parser.add_argument("--data-set", choices=ORDERS, default="", help="which rows these are")
        parser.add_argument(
            "--abort-after", type=float, metavar="SECONDS",
            help="end it early, and no sooner than this, when it breaks a budget that fails it",
        )  # fmt: skip
        parser.add_argument(
            "--find-limit", action="store_true",
            help="seek the highest rate that keeps the budgets, with what the scenario asks for",
        )  # fmt: skip
        parser.add_argument(
            "--up-to", type=float, metavar="RATE",
            help="with --find-limit: no more than this (2000 req/s)",
        )  # fmt: skip
        parser.add_argument("--minutes", type=float, help="with --find-limit: seek no longer (8)")
        parser.add_argument("--format", choices=["text", "json", "markdown"], default="text")
        parser.add_argument(
            "--here", action="store_true", help="run it in this process, without a Celery worker"
        )

    def handle(self, *args: Any, scenario: str, **options: Any) -> None:
        here = options["here"]
        try:
            mix = parse_mix("\n".join(options.pop("mix")))
            given = {name: options[name] for name in Wishes.__struct_fields__ if name in options}
            run = starting.start(
                scenario, Wishes(mix=mix, **given), target=options["target"], enqueue=not here
            )
        except (runs.RunRefused, ParametersRefused) as error:
            console.err().print(str(error), markup=False)
            sys.exit(console.COULD_NOT_TELL)
        try:
            if here:
                execution.execute(run.pk, verdicts.decide)
            else:
                watching.until_it_ends(run, console.err())
        except KeyboardInterrupt:
            runs.request_cancel(run.pk)
            console.err().print(f"Run {run.pk} is being canceled.")
        run.refresh_from_db()
        if options["format"] == "json":
            console.print_json(report.run_as_data(run))
        elif options["format"] == "markdown":
            code = report.exit_code(run)
            reasons = [*filter(None, [*run.reasons, same_build.of_run(run)])]
            found = BudgetReport(run, code, reasons, of_run(run), subject="Verdict")
            self.stdout.write(as_markdown(found), ending="")
        else:
            report.run_as_text(run, console.out())
        sys.exit(report.exit_code(run))
