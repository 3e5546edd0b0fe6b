"""Badges and finding cards: a colour, a sign and words, never a colour alone."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString

from perfops.budgets.selectors import Judgement
from perfops.formatting import severities_text
from perfops.jobs import scheduled
from perfops.models.analyses import Analysis, Finding, Severity
from perfops.models.budgets import Evaluation
from perfops.models.decisions import Waiver
from perfops.models.runs import LoadRun


@dataclass(frozen=True, slots=True)
class Badge:
    """``kind`` is the CSS class: good, warning, bad, odd or calm."""

    kind: str
    icon: str
    text: str

    def html(self) -> SafeString:
        return render_to_string("perfops/_badge.html", {"badge": self})


_GOOD, _WARNING, _BAD, _ODD, _CALM = (
    ("good", "✓"),
    ("warning", "!"),
    ("bad", "✗"),
    ("odd", "?"),
    ("calm", "●"),
)
State, Verdict = LoadRun.State, LoadRun.Verdict
Outcome = Evaluation.Outcome

_VERDICTS = {
    Verdict.PASSED: _GOOD,
    Verdict.WARNED: _WARNING,
    Verdict.FAILED: _BAD,
    Verdict.INVALID: _ODD,
    Verdict.NONE: _CALM,
}
_SCHEDULES = {
    scheduled.State.OK: _GOOD,
    scheduled.State.FAILED: _BAD,
    scheduled.State.MISSED: _WARNING,
    scheduled.State.PUT_OFF: _CALM,
    scheduled.State.UNDER_WAY: _CALM,
    scheduled.State.NEVER: _CALM,
    scheduled.State.UNKNOWN: _ODD,
}
_STATES = {
    State.QUEUED: _CALM,
    State.RUNNING: _CALM,
    State.JUDGING: _CALM,
    State.CANCELED: _WARNING,
    State.FAILED: _ODD,
    State.LOST: _ODD,
}
_OUTCOMES = {
    Evaluation.Outcome.MET: _GOOD,
    Evaluation.Outcome.NEAR: _WARNING,
    Evaluation.Outcome.VIOLATED: _BAD,
    Evaluation.Outcome.UNKNOWN: _ODD,
}
_ANALYSES = {
    Analysis.State.QUEUED: _CALM,
    Analysis.State.RUNNING: _CALM,
    Analysis.State.FAILED: _ODD,
    Analysis.State.LOST: _ODD,
}
_SEVERITIES = {Severity.ERROR: _BAD, Severity.WARNING: _WARNING, Severity.INFO: _CALM}
_STATUSES = {
    Finding.Status.OPEN: _WARNING,
    Finding.Status.ACKNOWLEDGED: _CALM,
    Finding.Status.MUTED: _CALM,
    Finding.Status.RESOLVED: _GOOD,
}


def of_run(run: LoadRun) -> Badge:
    """Return the verdict where there is one, else the state."""
    if run.state != State.FINISHED:
        return Badge(*_STATES[State(run.state)], str(run.get_state_display()))
    text = "not judged" if run.verdict == Verdict.NONE else str(run.get_verdict_display())
    return Badge(*_VERDICTS[Verdict(run.verdict)], text)


def of_outcome(outcome: scheduled.Outcome) -> Badge:
    return Badge(*_SCHEDULES[outcome.state], str(outcome.state))


def of_judgement(judgement: Judgement) -> Badge:
    """A violation that is waived is a warning."""
    kind, icon = _WARNING if judgement.is_waived else _OUTCOMES[Outcome(judgement.outcome)]
    return Badge(kind, icon, judgement.label)


def of_severity(severity: str) -> Badge:
    return Badge(*_SEVERITIES[Severity(severity)], severity)


def of_status(finding: Finding) -> Badge:
    return Badge(*_STATUSES[Finding.Status(finding.status)], str(finding.get_status_display()))


def of_analysis(analysis: Analysis) -> Badge:
    """Return how it ended, and for a finished one how bad what it found is."""
    if analysis.state != Analysis.State.FINISHED:
        state = Analysis.State(analysis.state)
        return Badge(*_ANALYSES[state], str(state.label))
    found = [s for s in Severity.values if analysis.counts.get(s)]
    if not found:
        return Badge(*_GOOD, "no problems")
    return Badge(_SEVERITIES[Severity(found[0])][0], "!", severities_text(analysis.counts))


Status = Finding.Status


def card(finding: Finding, *, severity: str, evidence: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the context of ``perfops/_finding.html``."""
    return {
        "badge": of_severity(severity),
        "url": reverse("admin:perfops_finding_change", args=[finding.pk]),
        "title": finding.title,
        "status_text": _status_text(finding),
        "evidence": [(label, _evidence_text(value)) for label, value in evidence],
        "why": finding.why,
        "remedy": finding.remedy,
        "statement": finding.statement,
        "can_acknowledge": finding.status == Status.OPEN,
        "can_mute": finding.status != Status.RESOLVED,
        "can_reopen": finding.status in {Status.ACKNOWLEDGED, Status.MUTED},
    }


def _evidence_text(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _status_text(finding: Finding) -> str:
    if finding.status == Status.OPEN:
        return ""
    if finding.status == Status.MUTED:
        return f"muted until {finding.muted_until}: {finding.mute_reason}"
    return str(finding.get_status_display())


def of_waiver(waiver: Waiver, now: datetime) -> Badge:
    """Return whether it still counts at ``now``; what an ended one waived is judged again."""
    return Badge(*_GOOD, "counts") if now < waiver.ends_at else Badge(*_WARNING, "has ended")
