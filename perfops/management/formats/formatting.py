"""Sentences that all forms of a report share."""

from dataclasses import dataclass

from perfops.analysis import findings, incidents
from perfops.analysis import services as analyses
from perfops.analysis.advisors.detection import DetectedIssue, SeverityName
from perfops.analysis.collectors.origins import Origin
from perfops.analysis.services import Report
from perfops.formatting import severities_text, share_text, time_text

# Less of the time is not worth a word.
_WORTH = 0.01
_SENDERS = 3


def name(report: Report) -> str:
    what = f"Analysis {report.analysis_id}" if report.analysis_id else "Analysis (not stored)"
    server = report.window.after.server
    replica = ", a read replica" if server.in_recovery else ""
    return f"{what} of {report.database} ({server.database} on PostgreSQL {server.name}{replica})"


def counts(report: Report) -> str:
    """Return "1 error, 2 warnings", without what is acknowledged or muted."""
    parts = [found] if (found := severities_text(report.counts)) else []
    hidden = sum(advice.fingerprint in report.hidden for advice in report.issues)
    if hidden:
        parts.append(f"{hidden} acknowledged or muted")
    if report.unchecked:
        parts.append(f"{len(report.unchecked)} could not be checked")
    return ", ".join(parts) or healthy(report)


def healthy(report: Report) -> str:
    """Return the words for a report without findings: what could not be read is not healthy."""
    of = f" by {', '.join(report.only)}, and nothing else was looked at" if report.only else ""
    if not report.window.missing:
        return f"no problems found{of}"
    number = len(report.window.missing)
    sources = f"{number} source{'' if number == 1 else 's'}"
    return f"no problems found in what could be read{of}; {sources} incomplete"


def unchecked(report: Report) -> list[str]:
    """Return a sentence for each open finding that this analysis could not look for."""
    return [findings.unchecked_text(each) for each in report.unchecked]


def window(report: Report) -> str:
    """Return over what time the counters were looked at, and how much of it they show."""
    seen = report.window
    covered = "" if seen.covered >= 1 else f", {seen.covered:.0%} of it covered"
    notes = f" ({'; '.join(seen.notes)})" if seen.notes else ""
    return f"{time_text(seen.seconds)} of statistics{covered}{notes}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a report: an incident, or many of one kind that a reader opens."""

    title: str
    severity: SeverityName
    impact: str
    apart: str
    issues: tuple[DetectedIssue, ...]
    is_folded: bool


def entries(report: Report) -> list[Entry]:
    """Return what all forms show, in one order; what is set apart comes last."""
    arranged = report.incidents
    impacts = {each.issues[0].fingerprint: each.impact for each in arranged}
    titles = analyses.titles()
    found = []
    for line in incidents.lines(
        [(each.issues, each.apart) for each in arranged],
        lambda issue: (issue.advisor, issue.severity),
    ):
        issues = tuple(each for its in line.incidents for each in its)
        impact = sum(impacts[its[0].fingerprint] or 0.0 for its in line.incidents)
        title = issues[0].title
        if line.kind:
            objects = [each.object for each in issues]
            title = incidents.folded_title(titles.get(line.kind, line.kind), objects)
        shown = f"{share_text(impact)} of the database's time" if impact >= _WORTH else ""
        found.append(
            Entry(title, issues[0].severity, shown, line.apart, issues, is_folded=line.kind != "")
        )
    return found


def evidence(advice: DetectedIssue) -> list[tuple[str, str]]:
    return [
        (label, f"{value:,}" if isinstance(value, int | float) else value)
        for label, value in advice.evidence.items()
    ]


def senders(advice: DetectedIssue, report: Report) -> list[str]:
    """Return who sends most of a finding's statements: route, task or command, and line or view."""
    places = (
        f"{each.name} ({each.site or each.function})" if each.site or each.function else each.name
        for each in sorted(_origins(advice, report), key=lambda each: -each.calls)
    )
    return list(dict.fromkeys(places))[:_SENDERS]


def site(advice: DetectedIssue, report: Report) -> str:
    """Return the project's line (file:line) of a finding: its own, or the one that sends most of
    its statements; "" where none is known.
    """
    sites = (each.site for each in _origins(advice, report) if each.site)
    return advice.site or next(sites, "")


def _origins(advice: DetectedIssue, report: Report) -> list[Origin]:
    """Return who sends a finding's statements, costliest first."""
    ids = set(advice.queryids)
    return [each for each in report.window.origins if not ids.isdisjoint(each.queryids)]
