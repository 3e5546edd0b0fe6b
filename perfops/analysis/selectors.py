"""Reading analyses and findings."""

from dataclasses import dataclass

from django.db.models import Case, F, IntegerField, QuerySet, Value, When

from perfops.analysis import incidents
from perfops.analysis.incidents import Line
from perfops.models.analyses import Analysis, Finding, Occurrence, Severity

_RANK = Case(
    *(When(severity=severity, then=Value(rank)) for rank, severity in enumerate(Severity.values)),
    output_field=IntegerField(),
)


_STATUS_RANK = Case(
    *(When(status=status, then=Value(rank)) for rank, status in enumerate(Finding.Status.values)),
    output_field=IntegerField(),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A finding with the severity and the evidence that one analysis saw."""

    finding: Finding
    severity: str
    evidence: list[tuple[str, object]]
    incident: int | None = None
    impact: float | None = None
    apart: str = ""


def findings_of(analysis: Analysis, *, limit: int) -> list[Seen]:
    """Return what ``analysis`` saw, as its report did, and no more than ``limit``. One query."""
    rows = Occurrence.objects.filter(analysis=analysis).select_related("finding")
    ordered = rows.annotate(rank=_RANK).order_by(
        F("incident").asc(nulls_last=True), "rank", "finding__advisor", "finding__object"
    )
    return [
        Seen(row.finding, row.severity, row.evidence, row.incident, row.impact, row.apart)
        for row in ordered[:limit]
    ]


def _key(each: Seen) -> object:
    """Analyses of the version before know no incidents."""
    return each.finding.pk if each.incident is None else ("incident", each.incident)


def still_open(seen: list[Seen]) -> list[Seen]:
    """Return the findings of those incidents of which one finding at least is open now.

    An open one is the first of each: it gives the incident its title and its severity.
    """
    kept = {_key(each) for each in seen if each.finding.status == Finding.Status.OPEN}
    found = [each for each in seen if _key(each) in kept]
    return sorted(found, key=lambda each: each.finding.status != Finding.Status.OPEN)


def lines_of(seen: list[Seen]) -> list[Line[Seen]]:
    """Return the findings of an analysis as its report's lines: see ``incidents.lines``."""
    groups: dict[object, list[Seen]] = {}
    for each in seen:
        groups.setdefault(_key(each), []).append(each)
    found = [(tuple(its), its[0].apart) for its in groups.values()]
    return incidents.lines(found, lambda each: (each.finding.advisor, each.severity))


def newest(database: str) -> Analysis | None:
    """Return the newest finished analysis of ``database``."""
    ended = Analysis.objects.filter(database=database, state=Analysis.State.FINISHED)
    return ended.order_by("-created_at", "-pk").first()


def previous(analysis: Analysis) -> Analysis | None:
    """Return the finished analysis of the same database just before ``analysis``."""
    earlier = Analysis.objects.filter(
        database=analysis.database,
        state=Analysis.State.FINISHED,
        created_at__lt=analysis.created_at,
    )
    return earlier.order_by("-created_at").first()


def worst_first(findings: QuerySet[Finding]) -> QuerySet[Finding]:
    """Return open ones first, errors before warnings: by ``status_rank``, ``rank``, newest."""
    ranked = findings.annotate(status_rank=_STATUS_RANK, rank=_RANK)
    return ranked.order_by("status_rank", "rank", "-last_seen_at")
