"""``manage.py check_budget``: the budgets against the newest load run, or counts of requests."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from rich.markup import escape

from perfops.budgets import selectors as budgets
from perfops.budgets import verdicts
from perfops.budgets.against import same_build
from perfops.budgets.against.measuring import Wanted
from perfops.budgets.selectors import Judgement
from perfops.budgets.services import evaluate
from perfops.load import selectors as runs
from perfops.load.validity import VALID, ValidityErrors
from perfops.management import (
    against_report,
    bisect_report,
    budget_report,
    budget_sarif,
    console,
    report,
    request_counts,
)
from perfops.management.budget_report import BudgetReport
from perfops.management.console import ReportCommand
from perfops.management.history_report import beside_earlier, by_earlier
from perfops.models.runs import LoadRun


class Command(ReportCommand):
    help = (
        "Hold the newest load run against the budgets, and with those just before it against "
        "earlier runs; with --deterministic, what a request of "
        "each route costs against a committed file; with --against, this build against another. "
        "Exit codes: 0 pass, 1 fail, 2 can't tell."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--format", choices=["text", "json", "markdown", "junit", "sarif"], default="text"
        )
        parser.add_argument("--run", type=int, metavar="ID", help="this run instead of the newest")
        parser.add_argument("--scenario", default="", help="the newest run of this scenario")
        counts = parser.add_argument_group(
            "counts of requests",
            "Statements, rows, blocks, bytes and instructions of a request of each route: no load "
            "run is needed. "
            "For example: manage.py check_budget --deterministic --user reader",
        )
        counts.add_argument("--deterministic", action="store_true", help="count, and compare")
        counts.add_argument("--update", action="store_true", help="write the counts of now")
        counts.add_argument(
            "--baseline", type=Path, default=Path("perfops-counts.json"), metavar="FILE",
            help="the committed file (perfops-counts.json)",
        )  # fmt: skip
        counts.add_argument(
            "--routes", type=Path, metavar="FILE", help="a routes.json instead of all URLs"
        )
        counts.add_argument(
            "--vacuum", action="store_true", help="VACUUM ANALYZE first: plans depend on it"
        )
        counts.add_argument(
            "--since", default="", metavar="REF",
            help="name changes since this commit, not since the file was committed",
        )  # fmt: skip
        counts.add_argument(
            "--executed", type=Path, metavar="FILE",
            help="write the files and functions that each request executed",
        )  # fmt: skip
        counts.add_argument("--user", default="", help="who asks; without it, nobody is logged in")

        turn = parser.add_argument_group(
            "two builds in turn",
            "This checkout and another commit, each with a database of its own, are loaded in turn "
            "until it can be told which is slower. For example: check_budget --against main",
        )
        usual = Wanted()
        turn.add_argument("--against", metavar="REF", help="the commit, tag or branch")
        turn.add_argument("--seconds", type=float, default=usual.seconds, help="of one run (15)")
        turn.add_argument("--rate", type=float, help="requests a second; the scenario's highest")
        turn.add_argument("--pairs", type=int, help="at most (20, or as aa_test says)")
        turn.add_argument("--minutes", type=float, default=usual.minutes, help="at most (30)")

        turn.add_argument(
            "--bisect", nargs=2, metavar=("GOOD", "BAD"),
            help="the commit between them that costs more, by counts of requests, else in turn",
        )  # fmt: skip

    def handle(self, *args: Any, **options: Any) -> None:
        parser = self.create_parser("manage.py", "check_budget")
        way = _way({name for name in options if options[name] != parser.get_default(name)})
        if way == "bisect":
            good, bad = options["bisect"]
            found = bisect_report.report(good, bad, _wanted(options), options)
        elif way == "against":
            found = against_report.report(options["against"], _wanted(options))
        elif way in {"update", "deterministic"}:
            found = request_counts.report(
                options["baseline"], options["routes"], options["user"],
                update=options["update"], vacuum=options["vacuum"], since=options["since"],
                note_executed=options["executed"],
            )  # fmt: skip
        else:
            found = _of_run(_run(options["run"], options["scenario"]))
        code = found.code
        if options["format"] == "json":
            console.print_json(budget_report.as_data(found))
        elif options["format"] == "text":
            _print(found)
        else:
            self.stdout.write(_RENDERERS[options["format"]](found), ending="")
        sys.exit(code)


_NEWEST = 5
_TURN = {"scenario", "seconds", "rate", "pairs", "minutes"}
_COUNTS = {"deterministic", "baseline", "routes", "vacuum", "since", "executed", "user"}
# What each way of judging reads; the first that is asked for is taken.
_READS = {
    "bisect": {"bisect", "routes", "user", *_TURN},
    "against": {"against", *_TURN},
    "update": {"update", *_COUNTS},
    "deterministic": _COUNTS,
    "run": {"run"},
    "": {"scenario"},
}
_CHOOSABLE = set[str]().union(*_READS.values())


def _way(given: set[str]) -> str:
    """Return how to judge, by the options that were ``given``; "" for the newest run.

    Raises ``CommandError`` where one of them would be silently ignored.
    """
    way = next((name for name in _READS if name in given), "")
    ignored = sorted((given & _CHOOSABLE) - _READS[way])
    if ignored:
        words = ", ".join(f"--{name}" for name in ignored)
        beside = f"with --{way}" if way else "without --deterministic, --against or --bisect"
        raise CommandError(
            f"{words} would be ignored {beside}: leave it out, or see --help for what reads it.",
            returncode=console.COULD_NOT_TELL,
        )
    return way


_RENDERERS = {
    "markdown": budget_report.as_markdown,
    "junit": budget_report.as_junit,
    "sarif": budget_sarif.as_sarif,
}
_COLOURS = {console.FINE: "pass", console.NOT_FINE: "fail", console.COULD_NOT_TELL: "invalid"}


def _print(found: BudgetReport) -> None:
    out = console.out()
    word = console.coloured(budget_report.WORDS[found.code], _COLOURS[found.code])
    out.print(f"\n{escape(found.title)}   {word}")
    for reason in found.reasons:
        out.print(f"  {reason}", markup=False)
    report.judgements_as_text(found.judgements, out)
    for cause in found.causes:
        out.print(f"  [bold]{escape(cause.route)}[/bold]  {escape(cause.what)}")
        for line in budget_report.cause_lines(cause):
            out.print(f"    {line}", markup=False)


def _wanted(options: dict[str, Any]) -> Wanted:
    scenario = options["scenario"] or Wanted().scenario
    pairs = options["pairs"] or same_build.pairs_for_host(Wanted().pairs)
    chosen = {name: options[name] for name in ("seconds", "rate", "minutes")}
    return Wanted(scenario=scenario, pairs=pairs, **chosen)


def _run(run_id: int | None, scenario: str) -> LoadRun | None:
    if run_id is not None:
        return LoadRun.objects.filter(pk=run_id).first()
    return runs.newest_ended(scenario)


def _present(run: LoadRun) -> list[Judgement]:
    """Return what the run says of the budgets of today; deleted ones decide nothing any more."""
    return [each for each in budgets.of_run(run) if each.budget_id is not None]


def _of_run(run: LoadRun | None) -> BudgetReport:
    """Return the report on a run: by its budgets, and beside the runs before it."""
    code, reasons = _judge(run)
    found = BudgetReport(run, code, reasons, _present(run) if run else [])
    if run is None:
        return found
    if _is_valid(run) and not run.plan.get("judged", True):
        return by_earlier(found, run)
    return found if code == console.COULD_NOT_TELL else beside_earlier(found, run)


def _is_valid(run: LoadRun) -> bool:
    is_finished = run.state == LoadRun.State.FINISHED
    return is_finished and run.verdict != LoadRun.Verdict.INVALID


def _no_run() -> str:
    """Return what to do where the run that was named does not exist: which ones there are."""
    newest = list(LoadRun.objects.order_by("-created_at", "-id")[:_NEWEST])
    if not newest:
        return "There is no load run yet: make one with `manage.py run_load_test smoke`."
    known = ", ".join(f"{each.pk} ({each.scenario})" for each in newest)
    return (
        f"There is no such load run that has ended; the newest are: {known}. Or make one with "
        "`manage.py run_load_test SCENARIO`."
    )


def _judge(run: LoadRun | None) -> tuple[int, list[str]]:
    """Hold a run against the budgets of today: they may have changed since."""
    if run is None:
        return console.COULD_NOT_TELL, [_no_run()]
    errors = ValidityErrors.of(run.summary)
    if run.state != LoadRun.State.FINISHED or (
        errors is None
        and report.exit_code(run) == console.COULD_NOT_TELL
        and not run.evaluations.exists()
    ):
        return console.COULD_NOT_TELL, [f"Run {run.pk}: {report.verdict(run)}.", *run.reasons]
    if not run.plan.get("judged", True):
        reason = f"{run.scenario} is not judged by budgets."
        return console.COULD_NOT_TELL, [reason]
    verdict, reasons = verdicts.weigh(evaluate(run), errors or VALID)
    codes = {
        LoadRun.Verdict.FAILED: console.NOT_FINE,
        LoadRun.Verdict.INVALID: console.COULD_NOT_TELL,
    }
    return codes.get(verdict, console.FINE), reasons
