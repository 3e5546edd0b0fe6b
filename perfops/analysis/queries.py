"""Reading statements: which cost most, how they went over time, their plans and findings."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import DateTimeField, Func, Q, Sum, Value
from django.utils import timezone

from perfops.analysis import selectors as analyses
from perfops.conf import conf
from perfops.formatting import to_datetime
from perfops.models.analyses import Finding
from perfops.models.origins import QueryOrigin, QueryPlan, QueryTemplate

Span = QueryOrigin.Span
_HOUR = timedelta(hours=1)
# A window up to this long is shown by the hour; one of more days than are kept by the month.
_BY_HOUR = timedelta(days=2)
_PLANS = 10
_FINDINGS = 20


@dataclass(frozen=True, slots=True)
class QueryTotals:
    """How often a statement was sent in a window; ``ms``: of all calls together."""

    calls: int
    ms: float

    @property
    def mean_ms(self) -> float | None:
        return self.ms / self.calls if self.calls else None


@dataclass(frozen=True, slots=True)
class Point(QueryTotals):
    """One hour, day or month."""

    at: datetime


def begin(days: float) -> datetime:
    """Return where a window of so many days up to now begins, as it is kept: at a whole hour,
    day or month.
    """
    window = timedelta(days=days)
    return to_datetime(_floor(timezone.now() - window, _unit(window)).timestamp())


def sent(*, since: datetime) -> dict[int, QueryTotals]:
    """Return what was sent since then, by the ID of the statement. One look at each count."""
    rows = QueryOrigin.objects.filter(at__gte=since).values_list("template_id")
    sums = rows.annotate(Sum("calls"), Sum("total_ms")).order_by()
    return {template_id: QueryTotals(calls, ms) for template_id, calls, ms in sums}


def sent_by(word: str, *, since: datetime) -> Q:
    """Return the condition that text, call site, route, task or command has ``word`` in it."""
    origins = QueryOrigin.objects.filter(
        Q(site__icontains=word) | Q(function__icontains=word) | Q(name__icontains=word),
        at__gte=since,
    )
    return Q(text__icontains=word) | Q(pk__in=origins.values("template_id"))


def trends(
    template_ids: Iterable[int], *, since: datetime, until: datetime
) -> dict[int, list[Point]]:
    """Return each statement's hours (up to two days), days or months, all of them. One query.

    The database adds up each place: of a year it has twenty times as many times as months.
    """
    unit = _unit(until - since)
    # Django's Trunc heeds a zone under USE_TZ alone.
    place_of: Any = Func(
        Value(unit.value), "at", Value("UTC"), function="date_trunc", output_field=DateTimeField()
    )
    rows = (
        QueryOrigin.objects.filter(template_id__in=template_ids, at__gte=since, at__lte=until)
        .annotate(place=place_of)
        .values_list("template_id", "place")
        .annotate(Sum("calls"), Sum("total_ms"))
    )
    sums: defaultdict[int, dict[datetime, tuple[int, float]]] = defaultdict(dict)
    for template_id, place, calls, ms in rows:
        sums[template_id][_floor(place, unit)] = calls, ms
    places = list(_places(since, until, unit))
    return {
        template_id: [Point(*found.get(at, (0, 0.0)), at) for at in places]
        for template_id, found in sums.items()
    }


def _unit(window: timedelta) -> Span:
    if window.days > conf().KEEP_ORIGIN_DAILY_DAYS:
        return Span.MONTH
    return Span.DAY if window >= _BY_HOUR + _HOUR else Span.HOUR


def _floor(at: datetime, unit: Span) -> datetime:
    at = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    if unit == Span.HOUR:
        return at
    return at.replace(hour=0) if unit == Span.DAY else at.replace(hour=0, day=1)


def _places(since: datetime, until: datetime, unit: Span) -> Iterable[datetime]:
    # A step that leads from the beginning of any month into the next one.
    step = {Span.HOUR: _HOUR, Span.DAY: timedelta(days=1), Span.MONTH: timedelta(days=31)}[unit]
    at, last = _floor(since, unit), _floor(until, Span.HOUR)
    while at <= last:
        yield at
        at = _floor(at + step, unit)


def plans_of(template: QueryTemplate) -> list[QueryPlan]:
    """Return the newest plans of a statement, the present one first."""
    plans = QueryPlan.objects.filter(database=template.database, queryid__in=template.queryids)
    return list(plans.order_by("-last_seen_at", "-id")[:_PLANS])


def findings_of(template: QueryTemplate) -> list[Finding]:
    """Return what was found about a statement: what is open first, what is resolved last."""
    found = Finding.objects.filter(database=template.database, queryids__overlap=template.queryids)
    return list(analyses.worst_first(found)[:_FINDINGS]) if template.queryids else []


def known_as(database: str, queryids: Iterable[str]) -> list[QueryTemplate]:
    """Return the statements behind these rows of pg_stat_statements, the oldest first."""
    wanted = sorted(set(queryids))
    known = QueryTemplate.objects.filter(database=database, queryids__overlap=wanted)
    return list(known.only("text", "queryids").order_by("first_seen_at", "id")) if wanted else []
