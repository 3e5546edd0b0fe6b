"""Who sent what, and which plans changed, within a window: read from our own tables."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import msgspec
from django.db import DatabaseError, router, transaction
from django.db.models import Max, Sum

from perfops.models.origins import QueryOrigin, QueryPlan, QueryTemplate

# A first analysis looks back to the beginning of the statistics: that may be years.
_LONGEST = timedelta(days=7)
_MOST = 5000


class Origin(msgspec.Struct, frozen=True):
    """A statement from one line for one route, task or command. Times in ms."""

    text: str
    queryids: tuple[str, ...]
    site: str
    function: str
    kind: str
    name: str
    calls: int
    executions: int
    max_calls_per_execution: int
    rows: int
    total_ms: float
    # Executions that sent it N_PLUS_ONE_CALLS times or more, and how often all of them did.
    repeated_executions: int = 0
    repeated_calls: int = 0


class PlanChange(msgspec.Struct, frozen=True):
    """A statement's plan that took another's place; ``at``: Unix time when it was seen.

    The means (ms) are of the hours up to the last look at the plan before, and of those since:
    None without calls, or where the counts do not tell.
    """

    queryid: str
    text: str
    at: float
    causes: tuple[str, ...]
    before_ms: float | None = None
    after_ms: float | None = None
    calls_before: int = 0
    calls_after: int = 0


def read(database: str, *, since: float) -> tuple[tuple[Origin, ...], tuple[PlanChange, ...]]:
    """Return what was counted and what changed since ``since`` (Unix time), at most a week.

    Empty where our tables are not there yet.
    """
    began = max(datetime.fromtimestamp(since, UTC), datetime.now(UTC) - _LONGEST)
    using = router.db_for_read(QueryOrigin)
    with suppress(DatabaseError), transaction.atomic(using=using):
        return _origins(database, began), _changes(database)
    return (), ()


def _origins(database: str, began: datetime) -> tuple[Origin, ...]:
    rows = (
        QueryOrigin.objects.filter(
            template__database=database, at__gte=began.replace(minute=0, second=0, microsecond=0)
        )
        .values_list("template__text", "template__queryids", "site", "kind", "name")
        .annotate(
            Max("function"), Sum("calls"), Sum("executions"), Max("max_calls_per_execution"),
            Sum("rows"), Sum("repeated_executions"), Sum("repeated_calls"),
            ms=Sum("total_ms"),
        )
        .order_by("-ms")[:_MOST]
    )  # fmt: skip
    return tuple(
        Origin(
            text, tuple(queryids), site, function, kind, name, calls, runs, most, returned, ms,
            repeated, repeats,
        )
        for text, queryids, site, kind, name, function, calls, runs, most, returned, repeated,
            repeats, ms in rows
    )  # fmt: skip


def _changes(database: str) -> tuple[PlanChange, ...]:
    """Return the newest change of each statement, with its times. Four queries.

    Of the longest window: a plan that changed just before an analysis has no time to compare yet,
    and is judged by the next.
    """
    began = datetime.now(UTC) - _LONGEST
    changed = {
        queryid: (at, reasons)
        for queryid, at, reasons in QueryPlan.objects.filter(
            database=database, first_seen_at__gte=began
        )
        .exclude(causes=[])
        .order_by("first_seen_at")
        .values_list("queryid", "first_seen_at", "causes")
    }
    templates = QueryTemplate.objects.filter(database=database, queryids__overlap=list(changed))
    known = {
        queryid: (pk, text)
        for pk, queryids, text in templates.values_list("id", "queryids", "text")
        for queryid in queryids
    }
    last_seen: dict[str, datetime] = {}
    for queryid, first, last in QueryPlan.objects.filter(
        database=database, queryid__in=changed
    ).values_list("queryid", "first_seen_at", "last_seen_at"):
        if first < changed[queryid][0]:
            last_seen[queryid] = max(last, last_seen.get(queryid, last))
    hours = _hours({pk for pk, _ in known.values()}, began - _LONGEST)
    found = []
    for queryid, (at, reasons) in changed.items():
        pk, text = known.get(queryid, (None, ""))
        split = last_seen.get(queryid, at).replace(minute=0, second=0, microsecond=0)
        means = _means(hours.get(pk, []), split) if pk is not None else (None, None, 0, 0)
        found.append(PlanChange(queryid, text, at.timestamp(), tuple(reasons), *means))
    return tuple(found)


def _hours(template_ids: set[int], began: datetime) -> dict[int, list[tuple[datetime, int, float]]]:
    found: dict[int, list[tuple[datetime, int, float]]] = {}
    rows = (
        QueryOrigin.objects.filter(template_id__in=template_ids, at__gte=began)
        .values_list("template_id", "at")
        .annotate(Sum("calls"), Sum("total_ms"))
    )
    for template_id, at, calls, ms in rows:
        found.setdefault(template_id, []).append((at, calls, ms))
    return found


def _means(
    hours: list[tuple[datetime, int, float]], split: datetime
) -> tuple[float | None, float | None, int, int]:
    """Return mean before and after ``split``, whose own hour is before, with their calls."""
    sides = [[h for h in hours if h[0] <= split], [h for h in hours if h[0] > split]]
    calls = [sum(count for _, count, _ in side) for side in sides]
    means = [
        sum(ms for *_, ms in side) / number if number else None
        for side, number in zip(sides, calls, strict=True)
    ]
    return means[0], means[1], calls[0], calls[1]
