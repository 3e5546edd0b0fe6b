"""Where a capacity review's readings come from: what analyses, snapshots and origins have left."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Max, QuerySet, Sum
from django.db.models.functions import TruncDay

from perfops.analysis import snapshots
from perfops.analysis.capacity.records import BYTES, NUMBER, RATE, Figure, figure
from perfops.analysis.collectors.snapshot import Snapshot
from perfops.analysis.collectors.tables import wholes
from perfops.conf import conf
from perfops.models.analyses import StoredSnapshot
from perfops.models.origins import QueryOrigin, ScopeTotal
from perfops.models.runs import LoadRun
from perfops.statistics import scalability
from perfops.statistics.growth import Point

_DAY_S, _HOUR_S = 86_400.0, 3_600.0
_TABLES, _KEYS = 8, 5
_BUSIEST_DAYS = 7
_RUNS = 200

Readings = dict[str, list[Point]]


def size(database: str, at: datetime, days: int) -> Iterator[Figure]:
    """Yield the database's size, one reading a day."""
    rows = (
        _since(database, at, days)
        .exclude(database_bytes=None)
        .values(day=TruncDay("taken_at"))
        .annotate(bytes=Max("database_bytes"), last=Max("taken_at"))
        .values_list("last", "bytes")
    )
    points = [(_days(taken, at), float(size)) for taken, size in rows]
    if points:
        yield figure(
            "Size of the database", BYTES, points, limit=conf().DISK_BYTES.get(database),
            no_limit='set PERFOPS["DISK_BYTES"]',
        )  # fmt: skip


def looks(database: str, at: datetime, days: int) -> list[tuple[float, Snapshot]]:
    """Return what analyses saw, oldest first, as long as that is kept."""
    rows = _since(database, at, days).filter(analysis__isnull=False, packed__isnull=False)
    found = [(row.taken_at, snapshots.read(row)) for row in rows.order_by("taken_at")]
    return [(_days(taken, at), seen) for taken, seen in found if seen is not None]


def tables(seen: list[tuple[float, Snapshot]]) -> list[Figure]:
    """Return the largest tables of the last look, with their indexes; partitions as one."""
    readings: Readings = defaultdict(list)
    for day, each in seen:
        for whole in wholes(each.tables):
            readings[whole.table.qualified].append((day, float(whole.table.bytes)))
    last = [name for name, points in readings.items() if points[-1][0] == seen[-1][0]]
    largest = sorted(last, key=lambda name: -readings[name][-1][1])[:_TABLES]
    return [figure(name, BYTES, readings[name]) for name in largest]


def keys(seen: list[tuple[float, Snapshot]]) -> list[Figure]:
    """Return the keys that count up to a limit, those that have used most of it."""
    readings: Readings = defaultdict(list)
    limits: dict[str, int] = {}
    for day, each in seen:
        for key in each.numberings:
            name = key.qualified
            readings[name].append((day, float(key.last)))
            limits[name] = key.limit
    used = sorted(readings, key=lambda name: -readings[name][-1][1] / max(1, limits[name]))
    return [
        figure(f"Key {name}", NUMBER, readings[name], limit=float(limits[name]))
        for name in used[:_KEYS]
    ]


def connections(seen: list[tuple[float, Snapshot]]) -> Iterator[Figure]:
    """Yield the server's connections in use at the times of the analyses."""
    known = [(day, each.connections) for day, each in seen if each.connections is not None]
    if known:
        points = [(day, float(its.used)) for day, its in known]
        yield figure("Connections in use", NUMBER, points, limit=float(known[-1][1].available))


def requests(database: str, at: datetime, days: int) -> Iterator[Figure]:
    """Yield requests a second that sent statements, in the busiest hour of a day.

    Hours are kept for some days only: before those the busiest is as many times the day's mean as
    in the last days. The limit: the most that a stress run has served.
    """
    rows = ScopeTotal.objects.filter(database=database, kind=QueryOrigin.Kind.REQUEST)
    hours = [
        n / _HOUR_S
        for n in rows.filter(span=QueryOrigin.Span.HOUR, at__gte=at - timedelta(_BUSIEST_DAYS))
        .values("at")
        .annotate(n=Sum("executions"))
        .values_list("n", flat=True)
    ]
    whole_days = (
        rows.filter(at__gte=at - timedelta(days), at__lt=at)
        .exclude(span=QueryOrigin.Span.MONTH)
        .values(day=TruncDay("at"))
        .annotate(n=Sum("executions"))
        .values_list("day", "n")
    )
    # The first and the last day are not whole.
    means = sorted((_days(day, at), n / _DAY_S) for day, n in whole_days)[1:-1]
    recent = [mean for day, mean in means if day >= -_BUSIEST_DAYS]
    if not hours or not recent or not sum(recent):
        return
    ratio = max(hours) / (sum(recent) / len(recent))
    most = most_served()
    yield figure(
        "Requests in the busiest hour", RATE, [(day, mean * ratio) for day, mean in means],
        limit=most, no_limit="no stress run has found the most that is served",
    )  # fmt: skip


def most_served() -> float | None:
    """Return the greatest throughput (requests/s) by the newest run whose curve shows one."""
    runs = LoadRun.objects.filter(state=LoadRun.State.FINISHED).order_by("-pk")
    for summary in runs.values_list("summary", flat=True)[:_RUNS]:
        row = (summary or {}).get("scalability")
        found = scalability.from_row(row)[1] if row else None
        if found is not None and found.peak is not None:
            return float(found.peak[0])
    return None


def _since(database: str, at: datetime, days: int) -> QuerySet[StoredSnapshot]:
    return StoredSnapshot.objects.filter(
        database=database, taken_at__gt=at - timedelta(days), taken_at__lte=at
    )


def _days(taken: datetime, at: datetime) -> float:
    return (taken - at).total_seconds() / _DAY_S
