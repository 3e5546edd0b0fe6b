"""Two load runs beside each other, and a run beside the last ones like it."""

from collections import defaultdict
from dataclasses import dataclass
from statistics import median
from typing import Any

from django.apps import apps
from django.db.models import Avg, F, IntegerField, Max, QuerySet
from django.db.models.functions import Cast, Ln

from perfops.formatting import count_text, cut, ms_text
from perfops.models.origins import RunStatement
from perfops.models.runs import LoadRun, RouteResult, Sample
from perfops.origins import runs as origins
from perfops.statistics.factors import Factor, factor
from perfops.statistics.shifts import MIN_EFFECT

# What must be the same; what else the fingerprint has is what a comparison is about.
_SAME = {"scenario_hash": "the scripts", "cores": "the generator's cores", "k6": "k6"}
_ROWS_APART = 0.1
_BATCHES = 20
_LAST = 10
_STATEMENT_CHARACTERS = 90
# A statement sent this much more or less often per request has changed.
_CALLS_APART = 0.01


@dataclass(frozen=True, slots=True)
class RouteChange:
    """A route; ``p95``: of the server's answer. None where a run has no request of it."""

    route: str
    before: RouteResult | None
    after: RouteResult | None
    p95: Factor | None


@dataclass(frozen=True, slots=True)
class StatementChange:
    """A statement of a route and line; per request and in ms, 0 where a run did not send it."""

    statement: RunStatement
    calls: tuple[float, float]
    mean_ms: tuple[float, float]
    request_ms: tuple[float, float]

    @property
    def is_changed(self) -> bool:
        before, after = self.calls
        return abs(after - before) > _CALLS_APART * max(before, after)


@dataclass(frozen=True, slots=True)
class Comparison:
    """``reasons``: why the runs can't be compared, empty where they can; ``differences``: what else
    of their fingerprints differs, as (name, before, after).
    """

    before: LoadRun
    after: LoadRun
    sentence: str
    reasons: list[str]
    differences: list[tuple[str, Any, Any]]
    routes: list[RouteChange]
    statements: list[StatementChange]


@dataclass(frozen=True, slots=True)
class Standing:
    """A figure of a run among those of the last comparable runs, the newest of them first."""

    name: str
    value: float
    others: list[float]
    lower_is_better: bool

    @property
    def median(self) -> float:
        return median(self.others)

    @property
    def better(self) -> int:
        """Return how many of the others were better."""
        sign = 1 if self.lower_is_better else -1
        return sum(sign * other < sign * self.value for other in self.others)


def incomparable(before: LoadRun, after: LoadRun) -> list[str]:
    """Return why two runs can't be compared, as sentences; empty where they can."""
    found = [
        f"Run {run.pk} measured nothing that is valid."
        for run in (before, after)
        if not run.summary or run.verdict == LoadRun.Verdict.INVALID
    ]
    if before.scenario != after.scenario:
        found.append(f"The scenarios differ: {before.scenario} and {after.scenario}.")
    elif before.plan != after.plan:
        found.append(f"The plan of {after.scenario} was another one.")
    if before.target != after.target:
        found.append(f"The targets differ: {before.target} and {after.target}.")
    one, two = before.fingerprint, after.fingerprint
    for key, name in _SAME.items():
        if one.get(key) != two.get(key):
            found.append(f"They differ in {name}: {one.get(key)} and {two.get(key)}.")
    sizes, now = one.get("rows") or {}, two.get("rows") or {}
    for table in sorted({*sizes, *now} - _own_tables()):
        least, most = sorted((sizes.get(table, 0), now.get(table, 0)))
        if most - least > _ROWS_APART * most:
            found.append(
                f"The table {table} had {sizes.get(table, 0):,} rows, then {now.get(table, 0):,}."
            )
    return found


def _own_tables() -> set[str]:
    """Each run fills these: their size is no other data."""
    return {each._meta.db_table for each in apps.get_app_config("perfops").get_models()}


def last_comparable(run: LoadRun) -> list[LoadRun]:
    """Return the last ten of ``comparable_before``."""
    return comparable_before(run, _LAST)


def comparable_before(run: LoadRun, most: int) -> list[LoadRun]:
    """Return the last runs before ``run`` that can be compared with it, newest first. One query."""
    rows = ended().filter(scenario=run.scenario, target=run.target, created_at__lt=run.created_at)
    wide = ("reasons", "server", "log")
    # Some of them are invalid or had other scripts.
    found = rows.defer(*wide).order_by("-created_at", "-id")[: 3 * most]
    return [each for each in found if not incomparable(each, run)][:most]


def ended() -> QuerySet[LoadRun]:
    """Return the runs that ended with a summary."""
    return LoadRun.objects.filter(state=LoadRun.State.FINISHED).exclude(summary={})


_FIGURES = {
    "Highest rate within the budgets": (("limit", "rate"), False),
    "p95 from the scheduled start": (("intended_latency_ms", "p95"), True),
    "p95 of the server's answer": (("latency_ms", "p95"), True),
    "Throughput held": (("sustained_throughput",), False),
    "Errors": (("error_rate",), True),
    "Cache hits": (("cache_hit_rate",), False),
}


def standings(run: LoadRun, others: list[LoadRun]) -> list[Standing]:
    """Return where the figures of ``run`` stand; none without others."""
    found = []
    for name, (path, lower_is_better) in _FIGURES.items():
        value = _at(run.summary, path)
        known = [at for each in others if (at := _at(each.summary, path)) is not None]
        if value is not None and known:
            found.append(Standing(name, value, known, lower_is_better))
    return found


def _at(summary: dict[str, Any], path: tuple[str, ...]) -> float | None:
    value: Any = summary
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return None if value is None else float(value)


def compare(before: LoadRun, after: LoadRun) -> Comparison:
    """Return what changed from ``before`` to ``after``. Ten queries."""
    reasons = incomparable(before, after)
    routes = _routes(before, after)
    changes = statements(before, after)
    one, two = before.fingerprint, after.fingerprint
    differences = [
        (name, one.get(name), two.get(name))
        for name in dict.fromkeys([*one, *two])
        if one.get(name) != two.get(name) and name not in {*_SAME, "rows", "load_before"}
    ]
    sentence = _sentence(before, after, reasons, routes, changes)
    return Comparison(before, after, sentence, reasons, differences, routes, changes)


def _sentence(
    before: LoadRun,
    after: LoadRun,
    reasons: list[str],
    routes: list[RouteChange],
    statements: list[StatementChange],
) -> str:
    if reasons:
        return f"Runs {before.pk} and {after.pk} can't be compared: {' '.join(reasons)}"
    known = [(each, each.p95) for each in routes if each.p95 is not None]
    if not any(change.low is not None for _, change in known):
        return "Nothing tells how much the runs vary in themselves: their seconds are not kept."
    changed = [(each, change) for each, change in known if change.is_beyond(MIN_EFFECT)]
    slower = [pair for pair in changed if pair[1].value > 1]
    counts = f"{count_text(len(slower), 'route')} slower, {len(changed) - len(slower)} quicker"
    if not changed:
        text = (
            f"No route's p95 changed by more than {MIN_EFFECT:.0%} beyond what the runs vary in "
            "themselves."
        )
    else:
        each, change = max(changed, key=lambda pair: max(pair[1].value, 1 / pair[1].value))
        what = f"{change.value:.2f} times as long" if change.value > 1 else (
            f"{change.value:.2f} of the time"
        )  # fmt: skip
        text = (
            f"{counts}: {each.route} takes {what} at p95 ({change.low:.2f} to {change.high:.2f})."
        )
    sent = [each for each in statements if each.is_changed]
    if not sent:
        return text
    most = max(sent, key=lambda each: abs(each.request_ms[1] - each.request_ms[0]))
    name = cut(most.statement.template.text, _STATEMENT_CHARACTERS)
    where = most.statement.site or "no line of the project"
    return (
        f"{text} {most.statement.name} sends {name} {most.calls[1]:,.2f} times per request, before "
        f"{most.calls[0]:,.2f} ({where}, {ms_text(most.request_ms[0])} then "
        f"{ms_text(most.request_ms[1])} per request)."
    )


def _routes(before: LoadRun, after: LoadRun) -> list[RouteChange]:
    old, new = ({each.route: each for each in _results(run)} for run in (before, after))
    logs = _logs(before), _logs(after)
    names = sorted({*old, *new})
    changes = []
    for name in names:
        was, now = old.get(name), new.get(name)
        p95 = None
        if was and now and was.p95_ms and now.p95_ms:
            p95 = factor(
                was.p95_ms, now.p95_ms, logs_before=logs[0][name], logs_after=logs[1][name],
                together=len(names),
            )  # fmt: skip
        changes.append(RouteChange(name, was, now, p95))
    return sorted(changes, key=lambda each: -abs(_log_of(each)))


def _log_of(change: RouteChange) -> float:
    return 0.0 if change.p95 is None else max(change.p95.value, 1 / change.p95.value)


def _results(run: LoadRun) -> QuerySet[RouteResult]:
    return RouteResult.objects.filter(run=run).exclude(route="").defer("sketch")


def _logs(run: LoadRun) -> defaultdict[str, list[float]]:
    """Return, by route, the mean logarithm of the seconds' p95 in each twentieth of the run."""
    rows = Sample.objects.filter(run=run, p95_ms__gt=0).exclude(route="")
    last = rows.aggregate(last=Max("second"))["last"]
    found: defaultdict[str, list[float]] = defaultdict(list)
    if last is not None:
        place = Cast(F("second") * _BATCHES / (last + 1), IntegerField())
        means = rows.annotate(place=place).values("route", "place").annotate(log=Avg(Ln("p95_ms")))
        for each in means.order_by("route", "place"):
            found[each["route"]].append(each["log"])
    return found


def statements(before: LoadRun, after: LoadRun) -> list[StatementChange]:
    """Return the statements of both runs, those whose time per request changed most first.

    Four queries.
    """
    sides: list[dict[tuple[str, str, int], tuple[RunStatement, int]]] = [
        {
            (each.name, each.site, each.template_id): (each, route.requests)
            for route in origins.of_run(run.pk)
            for each in route.statements
        }
        for run in (before, after)
    ]
    old, new = sides
    changes = []
    for key in dict.fromkeys([*new, *old]):
        pair = [_per_request(*side[key]) if key in side else (0.0, 0.0, 0.0) for side in sides]
        (was, now) = pair
        changes.append(
            StatementChange(
                (new.get(key) or old[key])[0],
                (was[0], now[0]), (was[1], now[1]), (was[2], now[2]),
            )
        )  # fmt: skip
    return sorted(changes, key=lambda each: -abs(each.request_ms[1] - each.request_ms[0]))


def _per_request(each: RunStatement, requests: int) -> tuple[float, float, float]:
    """Return calls per request, ms per call, ms per request."""
    requests = requests or 1
    mean = each.total_ms / each.calls if each.calls else 0.0
    return each.calls / requests, mean, each.total_ms / requests
