"""check_budget in each format: the same verdict, for people, programs and CI servers."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema_rs
import pytest
from django.core.management import call_command

from perfops import management
from perfops.management import budget_report
from perfops.management.budget_report import BudgetReport
from tests.perfops.budgets.test_verdicts import LATENCY, run_with

pytestmark = pytest.mark.django_db
SCHEMA = json.loads((Path(management.__file__).parent / "check_budget.schema.json").read_text())
SLOW = {"intended_latency_ms": {**LATENCY, "p95": 600.0}}


def check(capsys, form):
    with pytest.raises(SystemExit) as ended:
        call_command("check_budget", "--format", form)
    return ended.value.code, capsys.readouterr().out


CASES = [({}, 0, "pass"), (SLOW, 1, "fail"), ({"error_rate": None}, 2, "inconclusive")]


@pytest.mark.parametrize(("changes", "code", "verdict"), CASES)
def test_the_json_keeps_to_its_schema(capsys, changes, code, verdict):
    run_with(**changes)
    found, out = check(capsys, "json")
    told = json.loads(out)
    jsonschema_rs.validator_for(SCHEMA).validate(told)
    assert (found, told["exit_code"], told["verdict"]) == (code, code, verdict)


def test_without_a_run_every_format_says_so(capsys):
    assert check(capsys, "json")[0] == 2
    code, out = check(capsys, "junit")
    assert code == 2
    assert ET.fromstring(out.split("?>", 1)[1]).get("errors") == "1"
    assert check(capsys, "markdown")[1].startswith("## COULD NOT TELL")


@pytest.mark.parametrize(("changes", "code", "verdict"), CASES)
def test_junit_fails_exactly_where_the_exit_code_does(capsys, changes, code, verdict):
    run_with(**changes)
    found, out = check(capsys, "junit")
    suite = ET.fromstring(out.split("?>", 1)[1])
    assert found == code
    assert (suite.get("failures") != "0") == (code == 1)
    assert (suite.get("errors") != "0") == (code == 2)
    assert suite.get("tests") == str(len(suite.findall("testcase"))) == "7"


def test_markdown_has_the_verdict_first_and_a_line_for_each_budget(capsys):
    run_with(**SLOW)
    code, out = check(capsys, "markdown")
    assert code == 1
    assert out.startswith("## FAIL: Budgets of run")
    assert "- p95 latency is 600 ms; it must be < 500 ms." in out
    row = "| p95 latency | 600 ms | < 300 ms | < 500 ms | beyond the limit by 20% | violated |"
    assert row in out


def test_a_reason_is_text_in_every_format():
    odd = "[a](http://evil.example) | \x1b[2J"
    report = BudgetReport(None, 2, [odd], [])
    assert r"- \[a\](http://evil.example) \| \\x1b\[2J" in budget_report.as_markdown(report)
    suite = ET.fromstring(budget_report.as_junit(report).split("?>", 1)[1])
    assert suite.find("testcase/error").get("message") == odd.replace("\x1b", r"\x1b")
