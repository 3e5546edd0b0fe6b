"""A finding as its card shows it, on its own page and on those of analyses."""

from typing import Any

from django.urls import reverse

from perfops.admin import badges
from perfops.models.analyses import Finding

Status = Finding.Status


def card(finding: Finding, *, severity: str, evidence: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the context of ``perfops/_finding.html``."""
    return {
        "badge": badges.of_severity(severity),
        "url": reverse("admin:perfops_finding_change", args=[finding.pk]),
        "title": finding.title,
        "status_text": _status_text(finding),
        "evidence": [(label, _text(value)) for label, value in evidence],
        "why": finding.why,
        "remedy": finding.remedy,
        "statement": finding.statement,
        "can_acknowledge": finding.status == Status.OPEN,
        "can_mute": finding.status != Status.RESOLVED,
        "can_reopen": finding.status in {Status.ACKNOWLEDGED, Status.MUTED},
    }


def _text(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _status_text(finding: Finding) -> str:
    if finding.status == Status.OPEN:
        return ""
    if finding.status == Status.MUTED:
        return f"muted until {finding.muted_until}: {finding.mute_reason}"
    return str(finding.get_status_display())
