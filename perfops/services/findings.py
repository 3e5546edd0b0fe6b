"""The life of findings between analyses."""

from collections.abc import Iterable
from datetime import date

from django.db import transaction
from django.utils import timezone

from perfops.advisors.advice import Advice
from perfops.models.analyses import Analysis, Finding, Sighting

Status = Finding.Status
_HIDDEN = (Status.ACKNOWLEDGED, Status.MUTED)


class NotMuted(ValueError):
    """A mute needs a reason and an end; the message says which is missing."""


def record(analysis: Analysis, advice: Iterable[Advice]) -> list[Finding]:
    """Write what ``analysis`` found into the findings that live on; return them in order.

    New ones open; resolved ones, and mutes that have ended, open again; open ones of the same
    database that were not seen are resolved.
    """
    now = timezone.now()
    seen: list[Finding] = []
    with transaction.atomic():
        known = {
            finding.fingerprint: finding
            for finding in Finding.objects.select_for_update()
            .filter(database=analysis.database)
            .order_by("id")
        }
        for each in advice:
            finding = known.get(each.fingerprint) or Finding(
                database=analysis.database, fingerprint=each.fingerprint, first_seen_at=now
            )
            _see(finding, each)
            finding.last_seen_at, finding.last_analysis = now, analysis
            finding.save()
            seen.append(finding)
        Sighting.objects.bulk_create(
            Sighting(analysis=analysis, finding=f, severity=f.severity, evidence=f.evidence)
            for f in seen
        )
        gone = Finding.objects.filter(database=analysis.database).exclude(status=Status.RESOLVED)
        gone.exclude(pk__in=[f.pk for f in seen]).update(
            status=Status.RESOLVED, resolved_at=now, muted_until=None, mute_reason=""
        )
    return seen


def _see(finding: Finding, advice: Advice) -> None:
    finding.advisor, finding.object = advice.advisor, advice.object
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
    return finding.status == Status.MUTED and until is not None and until < _today()


def _open(finding: Finding) -> None:
    finding.status, finding.resolved_at = Status.OPEN, None
    finding.muted_until, finding.mute_reason = None, ""


def acknowledge(finding_id: int) -> bool:
    """Note that someone works on it; False when it is not open."""
    return _from((Status.OPEN,), finding_id, status=Status.ACKNOWLEDGED)


def mute(finding_id: int, *, until: date, reason: str) -> bool:
    """Hide it until the day ``until``; False when it is resolved. Raises ``NotMuted``."""
    if not reason.strip():
        raise NotMuted("Say why: whoever finds it muted will ask.")
    if until <= _today():
        raise NotMuted(f"{until} is not in the future.")
    return _from(
        (Status.OPEN, *_HIDDEN),
        finding_id,
        status=Status.MUTED,
        muted_until=until,
        mute_reason=reason.strip()[:300],
    )


def reopen(finding_id: int) -> bool:
    """Undo an acknowledgement or a mute; False when it is neither."""
    return _from(_HIDDEN, finding_id, status=Status.OPEN, muted_until=None, mute_reason="")


def _from(statuses: tuple[Status, ...], finding_id: int, **fields: object) -> bool:
    changed = Finding.objects.filter(pk=finding_id, status__in=statuses).update(**fields)
    return changed > 0


def _today() -> date:
    return timezone.now().date()
