"""A load run in the terminal while it goes on, read from the database like everywhere else."""

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn

from perfops.jobs import lifecycle
from perfops.load import selectors
from perfops.models.runs import LoadRun

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
            lifecycle.reap()
            run.refresh_from_db()


def _show(run: LoadRun, bar: Progress, task: TaskID) -> str:
    so_far = selectors.progress(run)
    line = f"Run {run.pk} · {run.scenario}: {run.get_state_display()}"
    if so_far.latest is not None:
        p95 = so_far.latest.p95_ms
        line += (
            f" · {so_far.seconds} of {so_far.planned_s:.0f} s · {so_far.latest.requests} req/s"
            f" · p95 {'-' if p95 is None else f'{p95:.0f} ms'} · {so_far.errors:,} errors"
        )
    bar.update(task, description=line, completed=so_far.share)
    return line
