"""The report as SARIF 2.1.0 (OASIS): what code scanning pages read.

A database has no file: each result names its object as a logical location, and, for readers
that want a file, a path made of the alias.
"""

import json
import re
from typing import Any
from urllib.parse import quote

from perfops.analysis import services as analyses
from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.services import Report
from perfops.formatting import visible
from perfops.management.formats import formatting

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}

NAME = "sarif"


def render(report: Report) -> str:
    return json.dumps(as_data(report), indent=2) + "\n"


def as_data(report: Report) -> dict[str, Any]:
    rules = [
        {"id": rule, "name": rule, "shortDescription": {"text": title}}
        for rule, title in analyses.titles().items()
    ]
    places = {rule["id"]: place for place, rule in enumerate(rules)}
    missing = [
        {
            "level": "warning",
            "message": _message(f"{each.source}: {each.reason}. {each.cost} {each.remedy}".strip()),
        }
        for each in report.window.missing
    ]
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "perfops", "rules": rules}},
                "automationDetails": {"id": f"perfops/{report.database}/"},
                "invocations": [
                    {"executionSuccessful": True, "toolExecutionNotifications": missing}
                ],
                "results": [_result(each, report, places) for each in report.issues],
            }
        ],
    }


def _message(text: str) -> dict[str, str]:
    """Brackets would begin a link (SARIF 2.1.0, 3.11.6), braces a placeholder (3.11.5)."""
    escaped = re.sub(r"([\\\[\]])", r"\\\1", visible(text))
    return {"text": escaped.replace("{", "{{").replace("}", "}}")}


def _result(advice: DetectedIssue, report: Report, places: dict[Any, int]) -> dict[str, Any]:
    evidence = "; ".join(f"{label}: {value}" for label, value in formatting.evidence(advice))
    parts = (f"{advice.title}.", evidence, advice.why, advice.remedy, advice.statement)
    result: dict[str, Any] = {
        "ruleId": advice.advisor,
        "ruleIndex": places[advice.advisor],
        "level": _LEVELS[advice.severity],
        "message": _message("\n".join(filter(None, parts))),
        "partialFingerprints": {"perfops/v1": advice.fingerprint},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": f"database/{quote(report.database, safe='')}"},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [
                    {"fullyQualifiedName": f"{report.database}/{advice.object}", "kind": "object"}
                ],
            }
        ],
    }
    if advice.fingerprint in report.hidden:
        result["suppressions"] = [{"kind": "external", "status": "accepted"}]
    return result
