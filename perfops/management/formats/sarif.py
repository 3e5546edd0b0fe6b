"""The report as SARIF 2.1.0 (OASIS): what code scanning pages read.

A finding with a line of the project points at it, relative to the project's root, so that a pull
request is annotated there. A database has no file: what is about an object of it has a path made of
the alias. Each result names its object as a logical location.
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

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
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
            "message": message(f"{each.source}: {each.reason}. {each.cost} {each.remedy}".strip()),
        }
        for each in report.window.missing
    ]
    return {
        "$schema": SCHEMA,
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


def message(text: str) -> dict[str, str]:
    """Brackets would begin a link (SARIF 2.1.0, 3.11.6), braces a placeholder (3.11.5)."""
    escaped = re.sub(r"([\\\[\]])", r"\\\1", visible(text))
    return {"text": escaped.replace("{", "{{").replace("}", "}}")}


def _place(site: str, database: str) -> dict[str, Any]:
    file, _, line = site.rpartition(":")
    if not file or not line.isdecimal():
        return {
            "artifactLocation": {"uri": f"database/{quote(database, safe='')}"},
            "region": {"startLine": 1},
        }
    return {
        "artifactLocation": {"uri": quote(file), "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": max(1, int(line))},
    }


def _result(advice: DetectedIssue, report: Report, places: dict[Any, int]) -> dict[str, Any]:
    evidence = "; ".join(f"{label}: {value}" for label, value in formatting.evidence(advice))
    parts = (f"{advice.title}.", evidence, advice.why, advice.remedy, advice.statement)
    result: dict[str, Any] = {
        "ruleId": advice.advisor,
        "ruleIndex": places[advice.advisor],
        "level": _LEVELS[advice.severity],
        "message": message("\n".join(filter(None, parts))),
        "partialFingerprints": {"perfops/v1": advice.fingerprint},
        "locations": [
            {
                "physicalLocation": _place(formatting.site(advice, report), report.database),
                "logicalLocations": [
                    {"fullyQualifiedName": f"{report.database}/{advice.object}", "kind": "object"}
                ],
            }
        ],
    }
    if advice.fingerprint in report.hidden:
        result["suppressions"] = [{"kind": "external", "status": "accepted"}]
    return result
