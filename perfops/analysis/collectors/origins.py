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
    """A statement's plan that took another's place; ``at``: Unix time when it was seen."""

    queryid: str
    text: str
    at: float
    causes: tuple[str, ...]


def read(database: str, *, since: float) -> tuple[tuple[Origin, ...], tuple[PlanChange, ...]]:
    """Return what was counted and what changed since ``since`` (Unix time), at most a week.

    Empty where our tables are not there yet.
    """
    began = max(datetime.fromtimestamp(since, UTC), datetime.now(UTC) - _LONGEST)
    using = router.db_for_read(QueryOrigin)
    with suppress(DatabaseError), transaction.atomic(using=using):
        return _origins(database, began), _changes(database, began)
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


def _changes(database: str, began: datetime) -> tuple[PlanChange, ...]:
    changed = list(
        QueryPlan.objects.filter(database=database, first_seen_at__gte=began)
        .exclude(causes=[])
        .order_by("first_seen_at")
        .values_list("queryid", "first_seen_at", "causes")
    )
    templates = QueryTemplate.objects.filter(
        database=database, queryids__overlap=[queryid for queryid, _, _ in changed]
    )
    texts = {
        queryid: text
        for queryids, text in templates.values_list("queryids", "text")
        for queryid in queryids
    }
    return tuple(
        PlanChange(queryid, texts.get(queryid, ""), at.timestamp(), tuple(reasons))
        for queryid, at, reasons in changed
    )
