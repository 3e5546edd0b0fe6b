"""How far a load run is: as numbers, and in one sentence for pages and terminal alike."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Max, QuerySet, Sum

from perfops.formatting import count_text, ms_text
from perfops.jobs.queue import waiting_text
from perfops.load.selectors import Point
from perfops.models.runs import LoadRun, Sample


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    seconds: int
    planned_s: float
    requests: int
    errors: int
    dropped: int
    latest: Point | None

    @property
    def share(self) -> float:
        return min(1.0, self.seconds / self.planned_s) if self.planned_s else 0.0


def of(run: LoadRun) -> Progress:
    """Return how far ``run`` is. Two queries, none while it is queued."""
    if run.state == LoadRun.State.QUEUED:
        return Progress(0, run.plan.get("duration_s", 0.0), 0, 0, 0, None)
    rows = Sample.objects.filter(run=run, route="")
    sums = rows.aggregate(
        last=Max("second"), requests=Sum("requests"), errors=Sum("errors"), dropped=Sum("dropped")
    )
    # The newest second is still being filled.
    latest = _latest(rows, sums["last"])
    return Progress(
        seconds=0 if sums["last"] is None else sums["last"] + 1,
        planned_s=run.plan.get("duration_s", 0.0),
        requests=sums["requests"] or 0,
        errors=sums["errors"] or 0,
        dropped=sums["dropped"] or 0,
        latest=latest,
    )


def _latest(rows: QuerySet[Sample], last: int | None) -> Point | None:
    if last is None:
        return None
    settled = rows.filter(second__lt=last).order_by("-second")
    row = settled.values_list(*Point.__dataclass_fields__).first()
    return Point(*row) if row else None


def text(run: LoadRun, so_far: Progress) -> str:
    """Return what a run that has not ended does or waits for, and what it has measured so far."""
    if run.cancel_requested_at:
        return "Canceling."
    if run.state == LoadRun.State.QUEUED:
        return waiting_text(run)
    if run.state == LoadRun.State.JUDGING:
        return "The measurement is complete; budgets are being checked."
    latest = so_far.latest
    now = f", {latest.requests} req/s, p95 {ms_text(latest.p95_ms)}" if latest else ""
    requests = count_text(so_far.requests, "request")
    errors = count_text(so_far.errors, "error")
    return f"{so_far.seconds} of {so_far.planned_s:.0f} s: {requests}, {errors}{now}"


def as_data(run: LoadRun) -> dict[str, Any] | None:
    """Return the same for programs, None when ``run`` has ended; ``rate`` (requests/s) and
    ``p95_ms`` of the last full second, None before there is one.
    """
    if not run.is_active:
        return None
    so_far = of(run)
    latest = so_far.latest
    return {
        "text": text(run, so_far),
        "seconds": so_far.seconds,
        "planned_s": so_far.planned_s,
        "requests": so_far.requests,
        "errors": so_far.errors,
        "rate": latest and latest.requests,
        "p95_ms": latest and latest.p95_ms,
    }
