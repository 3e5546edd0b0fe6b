"""The report as JSON, for programs."""

import json
from typing import Any

import msgspec

from perfops.analysis.services import Report
from perfops.management.formats import formatting

NAME = "json"


def render(report: Report) -> str:
    return json.dumps(as_data(report), indent=2, default=str) + "\n"


def as_data(report: Report) -> dict[str, Any]:
    window = report.window
    places = {
        each.fingerprint: (place, incident)
        for place, incident in enumerate(report.all_incidents, 1)
        for each in incident.issues
    }
    return {
        "id": report.analysis_id,
        "database": report.database,
        "server": msgspec.to_builtins(window.after.server),
        "window_s": window.seconds,
        "covered": window.covered,
        "notes": list(window.notes),
        "counts": report.counts,
        "findings": [
            {
                "fingerprint": advice.fingerprint,
                "advisor": advice.advisor,
                "object": advice.object,
                "severity": advice.severity,
                "incident": places[advice.fingerprint][0],
                "impact": places[advice.fingerprint][1].impact,
                "set_apart": places[advice.fingerprint][1].apart,
                "hidden": advice.fingerprint in report.hidden,
                "title": advice.title,
                "evidence": advice.evidence,
                "why": advice.why,
                "remedy": advice.remedy,
                "statement": advice.statement,
                "line": formatting.site(advice, report),
                "sent_by": formatting.senders(advice, report),
            }
            for advice in report.issues
        ],
        "unchecked": [
            {
                "fingerprint": finding.fingerprint,
                "advisor": finding.advisor,
                "severity": finding.severity,
                "title": finding.title,
                "last_seen_at": finding.last_seen_at,
            }
            for finding in report.unchecked
        ],
        "statements_per_execution": [
            {
                "kind": each.kind,
                "name": each.name,
                "executions": each.executions,
                "statements": each.calls_per_execution,
                "repeated": each.repeated_per_execution,
                "most": each.max_calls_per_execution,
                "ms": each.ms_per_execution,
            }
            for each in window.scopes
        ],
        "missing": msgspec.to_builtins(window.missing),
    }
