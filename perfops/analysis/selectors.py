"""Reading analyses and findings."""

from dataclasses import dataclass

from django.db.models import Case, IntegerField, QuerySet, Value, When

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


def findings_of(analysis: Analysis, *, limit: int) -> list[Seen]:
    """Return what ``analysis`` saw, worst first, and no more than ``limit``. One query."""
    rows = Occurrence.objects.filter(analysis=analysis).select_related("finding")
    ordered = rows.annotate(rank=_RANK).order_by("rank", "finding__advisor", "finding__object")
    return [Seen(row.finding, row.severity, row.evidence) for row in ordered[:limit]]


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
