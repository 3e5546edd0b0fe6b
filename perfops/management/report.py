"""A load run in the terminal: its progress, then its report, the worst first."""

import time
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Table

from perfops.budgets import selectors as budgets
from perfops.budgets.against import same_build
from perfops.budgets.judgement_data import as_data
from perfops.budgets.selectors import Judgement
from perfops.formatting import count_text, ms_text, percent_text
from perfops.jobs import queue
from perfops.load import progress, steering
from perfops.load import selectors as runs
from perfops.management.console import COULD_NOT_TELL, FINE, NOT_FINE, coloured
from perfops.models.runs import LoadRun

_SLOWEST = 5
State, Verdict = LoadRun.State, LoadRun.Verdict


def exit_code(run: LoadRun) -> int:
    """Return 0 for a pass (warnings too, and a finished run that isn't judged), 1, or 2."""
    if run.state != State.FINISHED or run.verdict == Verdict.INVALID:
        return COULD_NOT_TELL
    return NOT_FINE if run.verdict == Verdict.FAILED else FINE


def verdict(run: LoadRun) -> str:
    """Return the verdict in a word or two: the state's where there is none."""
    if run.state != State.FINISHED:
        return str(run.get_state_display())
    return "not judged" if run.verdict == Verdict.NONE else str(run.get_verdict_display())


def run_as_text(run: LoadRun, console: Console) -> None:
    title = f"Run {run.pk} · {run.scenario} → {run.target}"
    console.print(f"\n{escape(title)}   {coloured(verdict(run).upper(), run.verdict or 'warn')}")
    late = steering.without_effect(run)
    for reason in filter(None, [*run.reasons, late, same_build.of_run(run)]):
        console.print(f"  {escape(reason)}")
    if run.summary:
        _figures(run, console)
        _limit(run, console)
        judgements_as_text(budgets.of_run(run), console)
        _slowest(run, console)
    elif run.log:
        console.print(f"[dim]{escape(run.log[-1500:])}[/dim]")


def _figures(run: LoadRun, console: Console) -> None:
    summary = run.summary
    console.print(
        f"  {count_text(summary['requests'], 'request')} in {summary['duration_s']:.0f} s, "
        f"{summary['sustained_throughput']:,.0f} req/s held, "
        f"{count_text(summary['errors'], 'error')}, {summary['dropped']:,} dropped"
    )
    for label, key in (
        ("including waiting before the request was sent", "intended_latency_ms"),
        ("of the server's answer alone", "latency_ms"),
    ):
        quantiles = "  ".join(
            f"{name} {ms_text(summary[key][name])}"
            for name in ("p50", "p95", "p99", "max")
            if name in summary[key]
        )
        console.print(f"  latency  {quantiles}  [dim]{label}[/dim]")
    per_request = run.server.get("queries_per_request")
    if per_request is not None:
        console.print(f"  database  {per_request:,.2f} queries per request")


def _limit(run: LoadRun, console: Console) -> None:
    stored = run.summary.get("limit")
    if stored is None:
        return
    repeatability = stored["repeatability"]
    if repeatability is not None:
        console.print(
            f"  repeatability  a hold {repeatability:.1%} above or below ends as expected nine "
            "times of ten"
        )
    console.print(f"  bottleneck  {stored['bottleneck']['sentence']}", markup=False)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("  rate", "for", "p95", "errors", ""):
        table.add_column(column, justify="left" if not column else "right", no_wrap=True)
    for hold in stored["holds"]:
        table.add_row(
            f"  {hold['rate']:,.1f} req/s", f"{hold['seconds']:.0f} s", ms_text(hold["p95_ms"]),
            percent_text(hold["error_rate"]), escape(hold["why"] or "within the budgets"),
        )  # fmt: skip
    console.print(table)


def judgements_as_text(judgements: list[Judgement], console: Console) -> None:
    if not judgements:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("  budget", "value", "target", "threshold", "margin", ""):
        table.add_column(column, justify="right" if column == "value" else "left", no_wrap=True)
    for each in judgements:
        table.add_row(
            f"  {escape(each.name)}", each.value_text, each.target_text, each.threshold_text,
            each.margin_text, coloured(_outcome(each), "warn" if each.is_waived else each.outcome),
        )  # fmt: skip
    console.print(table)
    for each in judgements:
        if each.reason:
            console.print(f"  [dim]{escape(each.name)}: {escape(each.reason)}[/dim]")


def _outcome(judgement: Judgement) -> str:
    """What a violation leads to is said when there is one."""
    return f"{judgement.label}: {judgement.action}" if judgement.is_broken else judgement.label


def _slowest(run: LoadRun, console: Console) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("  slowest routes", "requests", "errors", "p50", "p95", "p99"):
        table.add_column(column, justify="left" if "routes" in column else "right", no_wrap=True)
    for route in runs.route_results(run)[:_SLOWEST]:
        table.add_row(
            f"  {escape(route.route)}", f"{route.requests:,}", f"{route.errors:,}",
            ms_text(route.p50_ms), ms_text(route.p95_ms), ms_text(route.p99_ms),
        )  # fmt: skip
    console.print(table)


def run_as_data(run: LoadRun) -> dict[str, Any]:
    return {
        "id": run.pk,
        "scenario": run.scenario,
        "target": run.target,
        "state": run.state,
        "verdict": run.verdict,
        "reasons": run.reasons,
        "noise": same_build.of_run(run),
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "plan": run.plan,
        "summary": run.summary,
        "server": run.server,
        "fingerprint": run.fingerprint,
        "budgets": judgements_as_data(budgets.of_run(run)),
        "routes": [
            {
                "route": route.route,
                "requests": route.requests,
                "errors": route.errors,
                "p50_ms": route.p50_ms,
                "p95_ms": route.p95_ms,
                "p99_ms": route.p99_ms,
                "max_ms": route.max_ms,
            }
            for route in runs.route_results(run)
        ],
        "exit_code": exit_code(run),
    }


def judgements_as_data(judgements: list[Judgement]) -> list[dict[str, Any]]:
    return [as_data(each) for each in judgements]


_POLL_S = 1.0
_LINE_EVERY_S = 10.0
_NO_WORKER_AFTER_S = 15.0


def until_it_ends(run: LoadRun, console: Console) -> None:
    """Show the run's progress until it has ended; a worker that died is noticed here as well."""
    began = time.monotonic()
    next_line, warned = began + _LINE_EVERY_S, False
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"Run {run.pk} · {run.scenario}: waiting for a worker", total=1.0)
        while run.is_active:
            now = time.monotonic()
            waiting = run.state == LoadRun.State.QUEUED
            if waiting and not warned and now - began > _NO_WORKER_AFTER_S:
                warned = True
                console.print(
                    f"No worker has taken run {run.pk} yet. Start one "
                    "(`celery -A PROJECT worker`), or use --here."
                )
            elif not waiting:
                line = _show(run, bar, task)
                if not console.is_terminal and now >= next_line:
                    next_line = now + _LINE_EVERY_S
                    console.print(line)
            time.sleep(_POLL_S)
            queue.look_after_jobs()
            run.refresh_from_db()


def _show(run: LoadRun, bar: Progress, task: TaskID) -> str:
    so_far = progress.of(run)
    line = progress_line(run, so_far)
    bar.update(task, description=line, completed=so_far.share)
    return line


def progress_line(run: LoadRun, so_far: progress.Progress) -> str:
    return f"Run {run.pk} · {run.scenario}: {progress.text(run, so_far)}"
