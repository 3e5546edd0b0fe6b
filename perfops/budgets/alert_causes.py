"""Why a run violates a budget: route, statement, call site, commits, recommended index."""

from collections.abc import Sequence
from dataclasses import dataclass

from perfops.budgets.against.checkouts import git
from perfops.budgets.against.databases import CouldNotCompare
from perfops.budgets.selectors import Judgement
from perfops.formatting import cut
from perfops.load import comparison
from perfops.load.comparison import StatementChange
from perfops.models.analyses import Finding, Recommendation
from perfops.models.runs import LoadRun

_CAUSES, _COMMITS = 3, 3
_LONGEST = 300
# Of a request, below which a statement explains nothing (ms).
_LEAST_MS = 0.1


@dataclass(frozen=True, slots=True)
class AlertCause:
    """A statement that takes more of a route's requests than in the comparable run before.

    ``ms``: that it adds to a request. ``commits``: those of its file between the two builds.
    """

    route: str
    what: str
    statement: str
    site: str
    ms: float
    commits: tuple[str, ...]
    recommendation: str

    @property
    def line(self) -> str:
        parts = (
            f"{self.route}: {self.what} (+{self.ms:,.1f} ms a request): {self.statement}",
            f"sent at {self.site}" if self.site else "",
            f"changed by {', '.join(self.commits)}" if self.commits else "",
            self.recommendation,
        )
        return "; ".join(filter(None, parts))


def of_run(run: LoadRun, begun: Sequence[Judgement]) -> tuple[AlertCause, ...]:
    """Return what costs most more than in the last comparable run; none without one.

    Seven queries at most, however many budgets are violated.
    """
    earlier = comparison.comparable_before(run, 1) if begun else []
    if not earlier:
        return ()
    routes = {each.route for each in begun}
    grown = [
        each
        for each in comparison.statements(earlier[0], run)
        if each.request_ms[1] - each.request_ms[0] > _LEAST_MS
        and ("" in routes or each.statement.name.partition(" ")[2] in routes)
    ][:_CAUSES]
    recommended = _recommended(grown)
    return tuple(_cause(each, earlier[0], run, recommended) for each in grown)


def _cause(
    change: StatementChange, before: LoadRun, after: LoadRun, recommended: Sequence[Recommendation]
) -> AlertCause:
    sent = change.statement
    if change.is_changed:
        what = f"more calls: {change.calls[0]:,.2f} to {change.calls[1]:,.2f} a request"
    else:
        what = f"slower calls: {change.mean_ms[0]:,.2f} to {change.mean_ms[1]:,.2f} ms a call"
    advice = next(
        (
            f"{row.finding.title}: {row.finding.statement}"
            for row in recommended
            if {*row.finding.queryids} & {*sent.template.queryids}
        ),
        "",
    )
    return AlertCause(
        route=sent.name,
        what=what,
        statement=cut(" ".join(sent.template.text.split()), _LONGEST),
        site=f"{sent.site} {sent.function}".strip(),
        ms=change.request_ms[1] - change.request_ms[0],
        commits=_commits(sent.site, before, after),
        recommendation=advice,
    )


def _commits(site: str, before: LoadRun, after: LoadRun) -> tuple[str, ...]:
    old, new = (run.fingerprint.get("commit") for run in (before, after))
    if not (site and old and new) or old == new:
        return ()
    file = site.rpartition(":")[0]
    try:
        log = git("log", f"-{_COMMITS}", "--format=%h %s", f"{old}..{new}", "--", file)
    except CouldNotCompare:
        # What is deployed has no repository: the two builds are all that is known.
        return (f"{old[:12]}..{new[:12]}",)
    return tuple(log.splitlines())


def _recommended(changes: Sequence[StatementChange]) -> list[Recommendation]:
    """Return the indexes that open findings recommend for these statements. One query."""
    queryids = [each for change in changes for each in change.statement.template.queryids]
    if not queryids:
        return []
    rows = Recommendation.objects.filter(
        kind=Recommendation.Kind.ADD,
        applied_at=None,
        finding__status__in=(Finding.Status.OPEN, Finding.Status.ACKNOWLEDGED),
        finding__queryids__overlap=queryids,
    )
    return list(rows.select_related("finding").order_by("-gain", "pk"))
