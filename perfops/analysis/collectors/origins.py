"""Who sent what, and which plans changed, within a window: read from our own tables."""

from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import msgspec
from django.core.management import get_commands
from django.db import DatabaseError, router, transaction
from django.db.models import Max, Q, Sum

from perfops.models.origins import QueryOrigin, QueryPlan, QueryTemplate, ScopeTotal

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
    # The model's relation that is followed (app.Model.name), where one was seen.
    relation: str = ""


class ScopeSum(msgspec.Struct, frozen=True):
    """All statements of a route's requests, a task or a command, of those that sent any. In ms.

    ``repeated_calls``: of statements that one execution sent N_PLUS_ONE_CALLS times or more.
    """

    kind: str
    name: str
    executions: int
    calls: int
    max_calls_per_execution: int
    repeated_calls: int
    total_ms: float

    @property
    def calls_per_execution(self) -> float:
        return self.calls / self.executions if self.executions else 0.0

    @property
    def repeated_per_execution(self) -> float:
        return self.repeated_calls / self.executions if self.executions else 0.0

    @property
    def ms_per_execution(self) -> float:
        return self.total_ms / self.executions if self.executions else 0.0


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


class SentStatements(msgspec.Struct, frozen=True):
    """What was counted and what changed in a window."""

    origins: tuple[Origin, ...] = ()
    plan_changes: tuple[PlanChange, ...] = ()
    scopes: tuple[ScopeSum, ...] = ()


def read(database: str, *, since: float) -> SentStatements:
    """Return what was counted and what changed since ``since`` (Unix time), at most a week.

    Empty where our tables are not there yet.
    """
    began = max(datetime.fromtimestamp(since, UTC), datetime.now(UTC) - _LONGEST)
    using = router.db_for_read(QueryOrigin)
    with suppress(DatabaseError), transaction.atomic(using=using):
        whole = scopes(since=began, database=database)
        return SentStatements(_origins(database, began), _changes(database), whole)
    return SentStatements()


def scopes(
    *, since: datetime, database: str = "", names: Collection[str] = ()
) -> tuple[ScopeSum, ...]:
    """Return how many statements each route, task and command sent, most per execution first.

    perfops' own commands are left out. ``database``, ``names``: those alone. One query.
    """
    wanted = ScopeTotal.objects.filter(_since(since)).exclude(kind=QueryOrigin.Kind.PROCESS)
    if database:
        wanted = wanted.filter(database=database)
    if names:
        wanted = wanted.filter(name__in=names)
    own = {name for name, app in get_commands().items() if app == "perfops"}
    found = [
        ScopeSum(*row)
        for row in wanted.values_list("kind", "name")
        .annotate(
            Sum("executions"), Sum("calls"), Max("max_calls_per_execution"), Sum("repeated_calls"),
            Sum("total_ms"),
        )
        .order_by()
        if not (row[0] == QueryOrigin.Kind.COMMAND and row[1] in own)
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda each: (-each.calls_per_execution, each.name)))


def _origins(database: str, began: datetime) -> tuple[Origin, ...]:
    rows = (
        QueryOrigin.objects.filter(_since(began), template__database=database)
        .values_list("template__text", "template__queryids", "site", "kind", "name")
        .annotate(
            Max("function"), Sum("calls"), Sum("executions"), Max("max_calls_per_execution"),
            Sum("rows"), Sum("repeated_executions"), Sum("repeated_calls"), Max("relation"),
            ms=Sum("total_ms"),
        )
        .order_by("-ms")[:_MOST]
    )  # fmt: skip
    return tuple(
        Origin(
            text, tuple(queryids), site, function, kind, name, calls, runs, most, returned, ms,
            repeated, repeats, relation,
        )
        for text, queryids, site, kind, name, function, calls, runs, most, returned, repeated,
            repeats, relation, ms in rows
    )  # fmt: skip


def _since(began: datetime) -> Q:
    """Return the condition for what was counted since ``began``: exact to the minute for the last
    hour, to the hour before that.
    """
    minute = QueryOrigin.Span.MINUTE
    hour = began.replace(minute=0, second=0, microsecond=0)
    return Q(span=minute, at__gte=began) | (~Q(span=minute) & Q(at__gte=hour))


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
        hour = at.replace(minute=0, second=0, microsecond=0)
        found.setdefault(template_id, []).append((hour, calls, ms))
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
