"""Load runs over REST: list, one with its verdict, start, cancel, go on at another rate."""

from datetime import timedelta
from typing import Any

import msgspec
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from ninja import Path, Query

from perfops.budgets import selectors as budgets
from perfops.budgets import starting
from perfops.budgets.against import same_build
from perfops.budgets.judgement_data import as_data
from perfops.budgets.selectors import Judgement
from perfops.budgets.starting import Wishes
from perfops.conf import conf
from perfops.jobs import lifecycle
from perfops.load import progress, services, sizing, steering
from perfops.models.jobs import Trigger
from perfops.models.runs import LoadRun
from perfops.rest import pages, schemas
from perfops.rest.access import Refused, user_of

_WIDE = ("fingerprint", "server", "log", "message")
ONE = "perfops_run"


def listed(
    request: HttpRequest,
    limit: pages.Limit = pages.DEFAULT_LIMIT,
    cursor: pages.Cursor = None,
    scenario: str = Query("", max_length=50, pattern=r"^[^\x00]*$"),  # type: ignore[type-arg]
    state: schemas.State | None = None,
    verdict: schemas.Verdict | None = None,
) -> dict[str, Any]:
    """Load runs, the newest first."""
    wanted = {"scenario": scenario, "state": state, "verdict": verdict}
    rows = _rows().filter(**{name: value for name, value in wanted.items() if value})
    found, following = pages.cut(request, rows, limit, cursor)
    if any(_is_silent(run) for run in found):
        lifecycle.reap()
        found, following = pages.cut(request, rows, limit, cursor)
    return {"results": [_row(run) for run in found], "next": following}


def one(request: HttpRequest, id: int = Path(le=pages.LARGEST_KEY)) -> dict[str, Any]:  # type: ignore[type-arg]  # noqa: A002
    """A run with its verdict, the sentences behind it, and each budget held against it."""
    return _detail(_found(id))


def start(request: HttpRequest, data: schemas.NewRun, response: HttpResponse) -> dict[str, Any]:
    """Queue a run; a worker executes it. Ask for the run until ``is_final``.

    One run for each target at a time: while one goes on the answer is 409, and its ``Location``
    names that run. So it is safe to send the request again.
    """
    try:
        wishes = {name: getattr(data, name) for name in Wishes.__struct_fields__}
        run = starting.start(
            data.scenario, Wishes(**wishes), target=data.target, trigger=Trigger.API,
            user=user_of(request), request=request,
        )  # fmt: skip
    except services.TargetBusy as error:
        location = address(request, error.run_id)
        raise Refused(409, str(error), headers={"Location": location}) from error
    except services.RunRefused as error:
        raise Refused(422, str(error), errors=[("body", str(error))]) from error
    response["Location"] = address(request, run.pk)
    return _detail(_found(run.pk))


def cancel(request: HttpRequest, id: int = Path(le=pages.LARGEST_KEY)) -> dict[str, Any]:  # type: ignore[type-arg]  # noqa: A002
    """End a run: at once while it is queued, within seconds while it runs."""
    run = _found(id)
    canceled = services.request_cancel(
        run.pk, user=user_of(request), trigger=Trigger.API, request=request
    )
    if not canceled and not _found(id).is_active:
        raise Refused(409, f"Run {run.pk} has ended already.")
    return _detail(_found(id))


def change_rate(
    request: HttpRequest,
    data: schemas.NewRate,
    id: int = Path(le=pages.LARGEST_KEY),  # type: ignore[type-arg]  # noqa: A002
) -> dict[str, Any]:
    """Have a run go on at another rate within seconds, to the end of its plan.

    A run that does not load its target now, ends within seconds, or has a rate of its own (it seeks
    the highest one, or ends early on a budget) is a 409.
    """
    run = _found(id)
    try:
        sizing.check_caps(data.rate, None)
    except sizing.SizeRefused as error:
        raise Refused(422, str(error), errors=[("body.rate", str(error))]) from error
    try:
        services.request_rate(
            run.pk, data.rate, user=user_of(request), trigger=Trigger.API, request=request
        )
    except services.RunRefused as error:
        raise Refused(409, str(error)) from error
    return _detail(_found(id))


def address(request: HttpRequest, run_id: int) -> str:
    """Return the path of a run in the API that ``request`` came to."""
    match = request.resolver_match
    namespace = f"{match.namespace}:" if match is not None and match.namespace else ""
    return reverse(f"{namespace}{ONE}", args=[run_id])


def _rows() -> QuerySet[LoadRun]:
    return LoadRun.objects.select_related("requested_by").defer(*_WIDE)


def _found(run_id: int) -> LoadRun:
    run = _rows().filter(pk=run_id).first()
    if run is not None and _is_silent(run):
        lifecycle.reap()
        run = _rows().filter(pk=run_id).first()
    if run is None:
        raise Refused(404, f"There is no run {run_id}.")
    return run


def _is_silent(run: LoadRun) -> bool:
    """Say whether its worker may have died, or none may be there: ``reap`` then decides."""
    if not run.is_active:
        return False
    waits = run.state == LoadRun.State.QUEUED
    patience_s = conf().QUEUE_TIMEOUT_S if waits else conf().LOST_AFTER_S
    heard_at = run.created_at if waits else run.heartbeat_at or run.created_at
    return heard_at < timezone.now() - timedelta(seconds=patience_s)


def _row(run: LoadRun) -> dict[str, Any]:
    return {
        "id": run.pk,
        "scenario": run.scenario,
        "target": run.target,
        "state": run.state,
        "verdict": run.verdict or None,
        "is_final": not run.is_active,
        "reasons": run.reasons,
        "trigger": run.trigger,
        "requested_by": run.requested_by.get_username() if run.requested_by else None,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "planned_s": run.plan.get("duration_s"),
        "p95_ms": run.summary.get("intended_latency_ms", {}).get("p95"),
        "error_rate": run.summary.get("error_rate"),
    }


def _detail(run: LoadRun) -> dict[str, Any]:
    judgements = [judged(each) for each in budgets.of_run(run)]
    changes = [msgspec.to_builtins(each) for each in steering.of_row(run.plan)]
    return {
        **_row(run),
        "progress": progress.as_data(run),
        "noise": same_build.of_run(run),
        "rate_changes": changes,
        "rate_not_changed": steering.without_effect(run),
        "budgets": judgements,
    }


def judged(each: Judgement) -> dict[str, Any]:
    """Return a judgement as ``schemas.Judged``."""
    return {
        **as_data(each),
        "budget": each.budget_id,
        "text": f"{each.value_text} of {each.threshold_text}",
        "run": each.run_id,
        "at": each.at,
    }
