"""Reading where statements come from."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max, Q, Sum

from perfops.models.origins import QueryOrigin, QueryTemplate


@dataclass(frozen=True, slots=True)
class Share:
    """One line of the project for one route, task or command; ``share``: of all calls, 0 to 1."""

    site: str
    function: str
    kind: str
    name: str
    calls: int
    total_ms: float
    rows: int
    executions: int
    max_calls_per_execution: int
    share: float

    @property
    def percent(self) -> str:
        return f"{self.share:.0%} of its calls"

    @property
    def calls_per_unit(self) -> float | None:
        """Return how often one request, task or command sends it."""
        return self.calls / self.executions if self.executions else None


def shares(
    queryid: str, *, database: str = "default", since: datetime | None = None
) -> list[Share]:
    """Return how a row of pg_stat_statements splits over call sites and routes, most calls first.

    Exact, with one exception: a statement whose parameters have had several types has several
    rows there, and its calls are in the shares of each.
    """
    return shares_of([queryid], database=database, since=since)[queryid]


def shares_of(
    queryids: list[str], *, database: str = "default", since: datetime | None = None
) -> dict[str, list[Share]]:
    """Return the shares of several rows of pg_stat_statements. Two queries."""
    templates = QueryTemplate.objects.filter(database=database, queryids__overlap=queryids)
    ids: dict[str, list[int]] = {queryid: [] for queryid in queryids}
    for template_id, its in templates.values_list("id", "queryids"):
        for queryid in its:
            if queryid in ids:
                ids[queryid].append(template_id)
    found = by_template({each for its in ids.values() for each in its}, since=since)
    return {
        queryid: _merged([share for each in its for share in found[each]])
        for queryid, its in ids.items()
    }


def by_template(
    template_ids: set[int], *, since: datetime | None = None
) -> defaultdict[int, list[Share]]:
    """Return the shares of each of these statements, most calls first. One query."""
    window = Q(at__gte=since) if since else Q()
    rows = (
        QueryOrigin.objects.filter(window, template_id__in=template_ids)
        .values_list("template_id", "site", "kind", "name")
        .annotate(
            Max("function"), Sum("calls"), Sum("total_ms"), Sum("rows"), Sum("executions"),
            Max("max_calls_per_execution"),
        )
    )  # fmt: skip
    found = defaultdict(list)
    for template_id, site, kind, name, function, calls, ms, returned, executions, most in rows:
        found[template_id].append(
            Share(site, function, kind, name, calls, ms, returned, executions, most, share=0.0)
        )
    return defaultdict(list, {each: _merged(its) for each, its in found.items()})


def _merged(every: list[Share]) -> list[Share]:
    together: dict[tuple[str, str, str], list[Share]] = {}
    for each in every:
        together.setdefault((each.site, each.kind, each.name), []).append(each)
    total = sum(each.calls for each in every)
    sums = [
        Share(
            site=site,
            function=its[0].function,
            kind=kind,
            name=name,
            calls=sum(each.calls for each in its),
            total_ms=sum(each.total_ms for each in its),
            rows=sum(each.rows for each in its),
            executions=sum(each.executions for each in its),
            max_calls_per_execution=max(each.max_calls_per_execution for each in its),
            share=sum(each.calls for each in its) / total if total else 0.0,
        )
        for (site, kind, name), its in together.items()
    ]
    return sorted(sums, key=lambda share: (-share.calls, share.site, share.name))
