"""What ``check_budget`` found as SARIF 2.1.0: a change is annotated at the line that costs more.

A violation whose cause has a line of the project points at it; others have a path made of the
budget's name, for they are in no file.
"""

import json
import re
from typing import Any
from urllib.parse import quote

from perfops.budgets import waivers
from perfops.budgets.against.attribution import Cause
from perfops.budgets.against.server_cpu import ALL_ROUTES
from perfops.budgets.selectors import Judgement
from perfops.management import console
from perfops.management.budget_report import BudgetReport, cause_lines
from perfops.management.formats.sarif import SCHEMA, message
from perfops.models.budgets import Budget, Evaluation

_SITE = re.compile(r"(?P<file>[^:\s]+):(?P<line>\d+)")
_RULES = {
    "counts": "A request costs more than the committed file allows.",
    "time": "This build is slower than the other one.",
    "budget": "A load run violates a budget.",
}


def as_sarif(report: BudgetReport) -> str:
    """Return the violations, those that are waived as suppressed, and what could not be told."""
    violated = [each for each in report.judgements if each.outcome == Evaluation.Outcome.VIOLATED]
    unknown = [
        {"level": "warning", "message": message(f"{each.name}: {each.reason}")}
        for each in report.judgements
        if each.outcome == Evaluation.Outcome.UNKNOWN
    ]
    reasons = [{"level": "note", "message": message(reason)} for reason in report.reasons]
    rules = [{"id": rule, "shortDescription": {"text": text}} for rule, text in _RULES.items()]
    run = {
        "tool": {"driver": {"name": "perfops check_budget", "rules": rules}},
        "automationDetails": {"id": "perfops/check_budget/"},
        "invocations": [
            {
                "executionSuccessful": report.code != console.COULD_NOT_TELL,
                "toolExecutionNotifications": [*unknown, *reasons],
            }
        ],
        "results": [_result(each, report.causes) for each in violated],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(name: str) -> str:
    figure, _ = waivers.figure_and_route(name)
    return "counts" if figure in waivers.COUNTS else "time" if figure in waivers.TIMES else "budget"


def _result(each: Judgement, causes: list[Cause]) -> dict[str, Any]:
    rule = _rule(each.name)
    route = waivers.figure_and_route(each.name)[1] or each.name.partition(" of ")[2]
    mine = [cause for cause in causes if route and route in {cause.route, ALL_ROUTES}]
    lines = [f"{each.name} is {each.value_text}; it must be {each.threshold_text}.", each.reason]
    for cause in mine:
        lines += [cause.what, *cause_lines(cause)]
    result: dict[str, Any] = {
        "ruleId": rule,
        "ruleIndex": list(_RULES).index(rule),
        "level": "warning" if each.action == Budget.Action.WARN else "error",
        "message": message("\n".join(filter(None, lines))),
        "partialFingerprints": {"perfops/v1": each.name},
        "locations": [
            {
                "physicalLocation": _place(each.name, mine),
                "logicalLocations": [{"fullyQualifiedName": route or each.name, "kind": "object"}],
            }
        ],
    }
    if each.is_waived:
        result["suppressions"] = [{"kind": "external", "status": "accepted"}]
    return result


def _place(name: str, causes: list[Cause]) -> dict[str, Any]:
    for cause in causes:
        found = _SITE.match(cause.site)
        if found:
            return {
                "artifactLocation": {"uri": quote(found["file"]), "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": max(1, int(found["line"]))},
            }
    return {
        "artifactLocation": {"uri": f"budgets/{quote(name, safe='')}"},
        "region": {"startLine": 1},
    }
