"""Reading load runs."""

from dataclasses import dataclass

from django.db.models import Max, Sum

from perfops.models.runs import LoadRun, RouteResult, Sample
from perfops.statistics.sketch import Sketch

OF_LATE_S = 10
_NEWEST_RUNS = 100


@dataclass(frozen=True, slots=True)
class Point:
    """One second of a run; latencies in ms, None where nothing was answered."""

    second: int
    requests: int
    errors: int
    dropped: int
    vus: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


def newest_ended(scenario: str = "") -> LoadRun | None:
    """Return the newest run that has ended, of one scenario if named; not a canceled one, and none
    that sought the limit.
    """
    ended = LoadRun.objects.exclude(state__in=[*LoadRun.ACTIVE, LoadRun.State.CANCELED])
    ended = ended.exclude(plan__has_key="find_limit")
    if scenario:
        ended = ended.filter(scenario=scenario)
    return ended.order_by("-created_at", "-id").first()


def series(run: LoadRun, route: str = "") -> list[Point]:
    """Return the run's seconds in order; a second without a request has no point."""
    rows = Sample.objects.filter(run=run, route=route).order_by("second")
    return [Point(*row) for row in rows.values_list(*Point.__dataclass_fields__)]


def route_results(run: LoadRun) -> list[RouteResult]:
    """Return the routes' results, the slowest (p95) first; all together is not among them."""
    results = run.routes.exclude(route="").defer("sketch")
    return sorted(results, key=lambda result: -(result.p95_ms or 0.0))


def known_routes() -> list[str]:
    """Return the names of the routes of the newest runs, in order of the alphabet. One query."""
    newest = LoadRun.objects.order_by("-pk").values("pk")[:_NEWEST_RUNS]
    routes = RouteResult.objects.filter(run__in=newest).exclude(route="")
    return sorted(set(routes.values_list("route", flat=True)))


@dataclass(frozen=True, slots=True)
class RouteSoFar:
    """A route while its run goes on. ``rate`` (requests/s) and latencies (ms) are those of the last
    ``OF_LATE_S`` seconds; None where nothing was answered in them.
    """

    route: str
    requests: int
    errors: int
    rate: float
    p50_ms: float | None
    p95_ms: float | None


def routes_so_far(run: LoadRun) -> list[RouteSoFar]:
    """Return the routes of a run that goes on, the slowest of late first. Two queries."""
    rows = Sample.objects.filter(run=run).exclude(route="")
    sums = rows.values("route").annotate(
        last=Max("second"), requests=Sum("requests"), errors=Sum("errors")
    )
    totals = {row["route"]: row for row in sums}
    last = max((row["last"] for row in totals.values()), default=0)
    sketches: dict[str, list[Sketch]] = {route: [] for route in totals}
    late = rows.filter(second__gt=last - OF_LATE_S)
    for route, sketch in late.values_list("route", "sketch"):
        sketches.setdefault(route, []).append(Sketch(bytes(sketch)))
    merged = {route: Sketch.merged(found) for route, found in sketches.items()}
    seconds = min(OF_LATE_S, last + 1)
    found = [
        RouteSoFar(
            route, row["requests"], row["errors"], merged[route].count / seconds,
            merged[route].quantile(0.50), merged[route].quantile(0.95),
        )
        for route, row in totals.items()
    ]  # fmt: skip
    return sorted(found, key=lambda each: -(each.p95_ms or 0.0))
