"""What an analysis saw inside the database, and what is different between two of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from perfops.analysis import snapshots
from perfops.analysis.collectors import difference
from perfops.analysis.collectors.difference import Window
from perfops.analysis.collectors.records import Statement, Table
from perfops.analysis.collectors.snapshot import Snapshot
from perfops.analysis.collectors.tables import wholes
from perfops.models.analyses import Analysis, Finding, Occurrence, Severity
from perfops.models.origins import QueryTemplate

_MOST = 30
_LEAST_CHANGE = 1.2
_RANK = list(Severity.values)


@dataclass(frozen=True, slots=True)
class Change:
    """A finding in one analysis and another; None where it was not seen."""

    finding: Finding
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Slower:
    """A statement's mean time (ms) until the earlier analysis and since then."""

    statement: Statement
    before_ms: float
    after_ms: float

    @property
    def factor(self) -> float:
        return self.after_ms / self.before_ms


@dataclass(frozen=True, slots=True)
class Difference:
    """``window`` and what follows from it are empty where a snapshot is not kept any more."""

    findings: list[Change]
    window: Window | None
    slower: list[Slower]
    quicker: list[Slower]
    new_statements: list[Statement]
    grown: list[tuple[Table, int]]
    settings: list[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Shares:
    """The share (0 to 1) of the database's time that statements took in the window of the newest
    analysis, as its findings have it; by their ID. Without an analysis none is known.
    """

    analysis: Analysis | None
    by_id: Mapping[str, float]

    def of(self, template: QueryTemplate) -> float | None:
        its = set(template.queryids) & self.by_id.keys()
        return sum(self.by_id[each] for each in its) if its else None


def shares(database: str) -> Shares:
    """Return what is known of the shares of statements of ``database``. Five queries."""
    finished = Analysis.objects.filter(database=database, state=Analysis.State.FINISHED)
    newest = finished.select_related("baseline").order_by("-created_at").first()
    window = window_of(newest) if newest is not None else None
    return Shares(newest, window.shares() if window is not None else {})


def window_of(analysis: Analysis) -> Window | None:
    """Return the window that ``analysis`` looked at; None where its snapshot has expired."""
    after = snapshots.read(snapshots.of_analysis(analysis))
    if after is None:
        return None
    before = None
    if analysis.baseline is not None:
        before = snapshots.read(snapshots.of_analysis(analysis.baseline))
    return difference.between(before, after) if before else difference.since_reset(after)


def between(earlier: Analysis, later: Analysis) -> Difference:
    """Return what is different in ``later``. Four queries."""
    before = snapshots.read(snapshots.of_analysis(earlier))
    after = snapshots.read(snapshots.of_analysis(later))
    findings = _findings(earlier, later)
    if before is None or after is None:
        return Difference(findings, None, [], [], [], [], [])
    window = difference.between(before, after)
    known = {s.queryid: s for s in before.statements or () if s.calls}
    changes = [
        Slower(statement, known[statement.queryid].mean_ms, statement.mean_ms)
        for statement in window.statements
        if statement.queryid in known and known[statement.queryid].mean_ms > 0
    ]
    # What changed a lot and costs little stands behind what changed less and costs much.
    changes.sort(key=lambda c: -abs(c.after_ms - c.before_ms) * c.statement.calls)
    new = [s for s in window.statements if s.queryid not in known]
    return Difference(
        findings=findings,
        window=window,
        slower=[c for c in changes if c.factor >= _LEAST_CHANGE][:_MOST],
        quicker=[c for c in changes if c.factor <= 1 / _LEAST_CHANGE][:_MOST],
        new_statements=sorted(new, key=lambda s: -s.total_ms)[:_MOST],
        grown=_grown(before, after),
        settings=_settings(before, after),
    )


def _findings(earlier: Analysis, later: Analysis) -> list[Change]:
    """Return the findings that came, went, or changed their severity; the worst first."""
    seen: dict[int, dict[int, Occurrence]] = {}
    rows = Occurrence.objects.filter(analysis__in=[earlier, later]).select_related("finding")
    for row in rows:
        seen.setdefault(row.finding_id, {})[row.analysis_id] = row
    changes = []
    for by_analysis in seen.values():
        finding = next(iter(by_analysis.values())).finding
        before, after = by_analysis.get(earlier.pk), by_analysis.get(later.pk)
        changes.append(
            Change(finding, before.severity if before else None, after.severity if after else None)
        )
    changed = [c for c in changes if c.before != c.after]
    return sorted(changed, key=lambda c: (c.after is None, _RANK.index(c.after or str(c.before))))


def _grown(before: Snapshot, after: Snapshot) -> list[tuple[Table, int]]:
    sizes = {whole.table.qualified: whole.table.bytes for whole in wholes(before.tables)}
    tables = [whole.table for whole in wholes(after.tables)]
    grown = [(table, table.bytes - sizes.get(table.qualified, 0)) for table in tables]
    return sorted((g for g in grown if g[1]), key=lambda g: -abs(g[1]))[:_MOST]


def _settings(before: Snapshot, after: Snapshot) -> list[tuple[str, str, str]]:
    old = {setting.name: setting.value for setting in before.settings}
    return [
        (setting.name, old[setting.name], setting.value)
        for setting in after.settings
        if setting.name in old and old[setting.name] != setting.value
    ]
