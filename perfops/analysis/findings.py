"""The life of findings between analyses."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.coverage import Coverage
from perfops.analysis.incidents import Incident
from perfops.models.analyses import Analysis, Finding, Occurrence

Status = Finding.Status
_BATCH = 500
_FIXED = {"id", "database", "fingerprint", "first_seen_at"}


def record(
    analysis: Analysis,
    advice: Iterable[DetectedIssue],
    *,
    coverage: Coverage | None = None,
    incidents: Iterable[Incident] = (),
) -> list[Finding]:
    """Write what ``analysis`` found into the findings that live on; return them in order.

    New ones open; resolved ones, and mutes that have ended, open again; open ones of the same
    database that were not seen are resolved where ``coverage`` says that they would have been
    (None: all would). An advisor whose data was unavailable resolves no findings.
    """
    now = timezone.now()
    advised = {each.fingerprint: each for each in advice}
    places: dict[str, dict[str, Any]] = {
        each.fingerprint: {"incident": place, "impact": one.impact, "apart": one.apart}
        for place, one in enumerate(incidents)
        for each in one.issues
    }
    with transaction.atomic():
        # Two analyses at once wait for each other here, in one order.
        known = {
            finding.fingerprint: finding
            for finding in Finding.objects.select_for_update()
            .filter(database=analysis.database, fingerprint__in=advised)
            .order_by("id")
        }
        seen: list[Finding] = []
        for fingerprint, each in advised.items():
            finding = known.get(fingerprint) or Finding(
                database=analysis.database, fingerprint=fingerprint, first_seen_at=now
            )
            _see(finding, each)
            finding.last_seen_at, finding.last_analysis = now, analysis
            seen.append(finding)
        _save(seen)
        Occurrence.objects.bulk_create(
            (
                Occurrence(
                    analysis=analysis,
                    finding=f,
                    severity=f.severity,
                    evidence=f.evidence,
                    **places.get(f.fingerprint, {}),
                )
                for f in seen
            ),
            batch_size=_BATCH,
        )
        _resolve(analysis, seen, coverage, now)
    return seen


def _save(findings: list[Finding]) -> None:
    """A wide database may have thousands."""
    fields = [f.name for f in Finding._meta.concrete_fields if f.name not in _FIXED]
    Finding.objects.bulk_create(
        findings,
        update_conflicts=True,
        update_fields=fields,
        unique_fields=["database", "fingerprint"],
        batch_size=_BATCH,
    )


def _resolve(
    analysis: Analysis,
    seen: list[Finding],
    coverage: Coverage | None,
    now: datetime,
) -> None:
    gone = Finding.objects.filter(database=analysis.database).exclude(status=Status.RESOLVED)
    gone = gone.exclude(pk__in=[f.pk for f in seen])
    if coverage is not None:
        rows = gone.filter(advisor__in=coverage.complete).values_list("pk", "advisor", "object")
        covered = [pk for pk, advisor, name in rows if coverage.covers(advisor, name)]
        gone = Finding.objects.filter(pk__in=covered)
    gone.update(status=Status.RESOLVED, resolved_at=now, muted_until=None, mute_reason="")


def resolve(finding: Finding) -> None:
    """Note that what it asked for was done."""
    Finding.objects.filter(pk=finding.pk).exclude(status=Status.RESOLVED).update(
        status=Status.RESOLVED, resolved_at=timezone.now(), muted_until=None, mute_reason=""
    )


def unchecked(
    analysis: Analysis,
    seen: Collection[Finding],
    coverage: Coverage | None,
    *,
    only: Collection[str] = (),
) -> list[Finding]:
    """Return the findings that are not resolved, not seen, and that no advisor could look for.

    ``only``: the advisors that were asked; what the others found is no part of this report.
    """
    if coverage is None:
        return []
    left = Finding.objects.filter(database=analysis.database).exclude(status=Status.RESOLVED)
    if only:
        left = left.filter(advisor__in=only)
    left = left.exclude(pk__in=[f.pk for f in seen]).order_by("severity", "advisor", "object")
    return [each for each in left if not coverage.covers(each.advisor, each.object)]


def unchecked_text(finding: Finding) -> str:
    """Return the sentence that a report has for a finding that could not be checked."""
    since = finding.last_seen_at.astimezone(UTC)
    return f"could not be checked since {since:%Y-%m-%d %H:%M} UTC: {finding.title}"


def _see(finding: Finding, advice: DetectedIssue) -> None:
    finding.advisor, finding.object = advice.advisor, advice.object[:300]
    finding.queryids = list(advice.queryids)
    finding.severity, finding.title = advice.severity, advice.title[:300]
    finding.evidence, finding.why = list(advice.evidence.items()), advice.why
    finding.remedy, finding.statement = advice.remedy, advice.statement
    if finding.status == Status.RESOLVED:
        finding.reopened += 1
        _open(finding)
    elif _mute_has_ended(finding):
        _open(finding)


def _mute_has_ended(finding: Finding) -> bool:
    until = finding.muted_until
    return finding.status == Status.MUTED and until is not None and until < timezone.now().date()


def _open(finding: Finding) -> None:
    finding.status, finding.resolved_at = Status.OPEN, None
    finding.muted_until, finding.mute_reason = None, ""
