"""SARIF of budgets: by the official schema, at the line that costs more."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema_rs
import pytest

from perfops.budgets.against.attribution import Cause
from perfops.budgets.selectors import against_before
from perfops.budgets.waivers import Waivers
from perfops.management import budget_sarif, console
from perfops.management.budget_report import BudgetReport
from perfops.models import Evaluation
from tests.perfops import analysis

# A package may be a namespace, without a file of its own.
SCHEMA = Path(next(iter(analysis.__path__))) / "sarif" / "sarif-2.1.0.json"
ROUTE = "/orders/{id}"
CAUSE = Cause(
    ROUTE, "more calls: 1 to 9", "SELECT [1]", "shop/my views.py:7 f", 2.0, ("shop/my views.py",),
    ("abc Why",),
)  # fmt: skip


def judged(outcome, name=f"statements of {ROUTE}"):
    return against_before(
        name, Evaluation.Outcome(outcome), before=1, most=1, now=9, text=str, reason="[x] {0}",
        waived=Waivers(),
    )  # fmt: skip


def sarif(*judgements, causes=(), code=console.NOT_FINE):
    return json.loads(
        budget_sarif.as_sarif(BudgetReport(None, code, ["because"], [*judgements], "S", [*causes]))
    )


@pytest.fixture(scope="module")
def schema():
    text = SCHEMA.read_text().replace("[a-zA-Z]{2}]?$", "[a-zA-Z]{2}$")
    return jsonschema_rs.Draft7Validator(json.loads(text), validate_formats=True)


def test_statements_of_a_second_request_point_at_the_line_of_their_cause():
    name = f"statements of a second request of {ROUTE}"
    cause = replace(CAUSE, site="shop/views.py:7 f")
    (found,) = sarif(judged("violated", name), causes=[cause])["runs"][0]["results"]
    assert found["ruleId"] == "counts"
    (place,) = found["locations"]
    assert place["physicalLocation"]["region"] == {"startLine": 7}
    assert place["logicalLocations"][0]["fullyQualifiedName"] == ROUTE


def test_it_holds_against_the_official_schema(schema):
    waived = replace(judged("violated", "p95 of /a b"), is_waived=True)
    for report in (
        sarif(code=console.COULD_NOT_TELL),
        sarif(judged("met"), judged("unknown"), waived, judged("violated"), causes=[CAUSE]),
        sarif(judged("violated", "p95 latency")),
    ):
        assert [str(error) for error in schema.iter_errors(report)] == []


def test_a_violation_points_at_the_line_of_its_cause_and_others_at_none():
    cause = replace(CAUSE, site="shop/views.py:7 f")
    first, second = sarif(
        judged("violated"), judged("violated", "rows of /b"), judged("met"), causes=[cause]
    )["runs"][0]["results"]
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "shop/views.py"
    assert place["region"] == {"startLine": 7}
    assert "more calls: 1 to 9" in first["message"]["text"]
    assert (first["ruleId"], first["level"]) == ("counts", "error")
    other = second["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert other == "budgets/rows%20of%20%2Fb"


def test_what_is_waived_is_suppressed_and_what_is_unknown_is_no_result():
    waived = replace(judged("violated"), is_waived=True)
    run = sarif(waived, judged("unknown", "rows of /b"), code=console.FINE)["runs"][0]
    assert run["results"][0]["suppressions"][0]["status"] == "accepted"
    assert len(run["results"]) == 1
    notes = run["invocations"][0]["toolExecutionNotifications"]
    assert notes[0]["message"]["text"].startswith("rows of /b")
