"""Reading statements: which cost most, how they went over time, their plans and findings."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Max, Q, QuerySet, Sum

from perfops.models.analyses import Finding
from perfops.models.origins import QueryOrigin, QueryPlan, QueryTemplate
from perfops.selectors.origins import Share

_DAY = timedelta(days=1)
# A window up to this long is shown by the hour; a longer one by the day.
_BY_HOUR = timedelta(days=2)
_PLANS = 10


@dataclass(frozen=True, slots=True)
class Point:
    """One hour or day. ``ms``: of all calls together."""

    at: datetime
    calls: int
    ms: float

    @property
    def mean_ms(self) -> float | None:
        return self.ms / self.calls if self.calls else None


def costliest(queryset: QuerySet[QueryTemplate], *, since: datetime) -> QuerySet[QueryTemplate]:
    """Return the statements of ``queryset`` sent since then, with ``calls``, ``ms``, ``rows``."""
    return queryset.filter(origins__at__gte=since).annotate(
        calls=Sum("origins__calls"),
        ms=Sum("origins__total_ms"),
        rows=Sum("origins__rows"),
        last_at=Max("origins__at"),
    )


def sent_by(word: str, *, since: datetime) -> Q:
    """Return the condition that text, call site, route, task or command has ``word`` in it."""
    origins = QueryOrigin.objects.filter(
        Q(site__icontains=word) | Q(function__icontains=word) | Q(name__icontains=word),
        at__gte=since,
    )
    return Q(text__icontains=word) | Q(pk__in=origins.values("template_id"))


def total_ms(*, since: datetime) -> float:
    """Return what all statements together took since then."""
    return QueryOrigin.objects.filter(at__gte=since).aggregate(ms=Sum("total_ms"))["ms"] or 0.0


def trends(
    template_ids: Iterable[int], *, since: datetime, until: datetime
) -> dict[int, list[Point]]:
    """Return each statement's hours (for up to two days) or days, all of them. One query."""
    by_hour = until - since <= _BY_HOUR
    rows = (
        QueryOrigin.objects.filter(template_id__in=template_ids, at__gte=since, at__lte=until)
        .values_list("template_id", "at")
        .annotate(Sum("calls"), Sum("total_ms"))
    )
    sums: defaultdict[int, dict[datetime, tuple[int, float]]] = defaultdict(dict)
    for template_id, at, calls, ms in rows:
        place = _floor(at, by_hour=by_hour)
        so_far = sums[template_id].get(place, (0, 0.0))
        sums[template_id][place] = (so_far[0] + calls, so_far[1] + ms)
    places = list(_places(since, until, by_hour=by_hour))
    return {
        template_id: [Point(at, *found.get(at, (0, 0.0))) for at in places]
        for template_id, found in sums.items()
    }


def _floor(at: datetime, *, by_hour: bool) -> datetime:
    at = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return at if by_hour else at.replace(hour=0)


def _places(since: datetime, until: datetime, *, by_hour: bool) -> Iterable[datetime]:
    step = timedelta(hours=1) if by_hour else _DAY
    at, last = _floor(since, by_hour=by_hour), _floor(until, by_hour=True)
    while at <= last:
        yield at
        at += step


def plans_of(template: QueryTemplate) -> list[QueryPlan]:
    """Return the newest plans of a statement, the present one first."""
    plans = QueryPlan.objects.filter(database=template.database, queryid__in=template.queryids)
    return list(plans.order_by("-last_seen_at", "-id")[:_PLANS])


def findings_of(template: QueryTemplate, shares: Sequence[Share]) -> list[Finding]:
    """Return what is open about a statement: its plans, and the lines that send it."""
    objects = [f"plan of {queryid}" for queryid in template.queryids]
    objects += [f"{share.site} for {share.name}"[:300] for share in shares]
    found = Finding.objects.filter(database=template.database, object__in=objects)
    return list(found.exclude(status=Finding.Status.RESOLVED).order_by("-last_seen_at")[:20])
