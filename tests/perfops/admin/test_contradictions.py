"""The same figure on two pages and in the terminal is the same: pages are read, not functions."""

import html
import io
import json
import re
from contextlib import redirect_stdout

import pytest
from django.core.management import call_command
from django.urls import reverse

from perfops.analysis import findings, triage
from perfops.analysis.advisors.detection import DetectedIssue
from perfops.analysis.incidents import Incident
from perfops.budgets import services as budgets
from perfops.models import Analysis, Finding
from tests.perfops.budgets.test_verdicts import run_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def history():
    """Runs from good to bad, whose two latencies differ; findings in every status."""
    runs = []
    for p95 in (40.0, 900.0, 1234.0):
        run = run_with()
        run.summary["intended_latency_ms"]["p95"] = p95
        run.summary["latency_ms"]["p95"] = p95 / 2
        run.verdict = "fail"
        run.save()
        budgets.evaluate(run)
        runs.append(run)
    issues = [
        DetectedIssue("unused_indexes", f"public.{n}", severity, f"Index {n}", "why", "remedy")
        for n, severity in {
            "a": "error",
            "b": "warning",
            "c": "warning",
            "d": "info",
            "e": "info",
        }.items()
    ]
    analysis = Analysis.objects.create(state="finished", counts={"error": 1, "warning": 2})
    parts = [Incident((each,), 0.1234 * (n + 1), "") for n, each in enumerate(issues)]
    findings.record(analysis, issues, incidents=parts)
    triage.acknowledge([Finding.objects.get(object="public.c").pk])
    return runs, analysis


def read(client, name, *arguments):
    page = client.get(reverse(f"admin:{name}", args=arguments)).content.decode()
    return " ".join(
        html.unescape(re.sub(r"<[^>]+>", " ", page.partition('<div id="content"')[2])).split()
    )


def terminal():
    out = io.StringIO()
    with redirect_stdout(out), pytest.raises(SystemExit):
        call_command("perfops", format="json")
    return json.loads(out.getvalue())


def test_the_same_figure_is_the_same_on_every_page_and_in_the_terminal(admin_client, history):
    runs, analysis = history
    home, said = read(admin_client, "app_list", "perfops"), terminal()
    # p95, as budgets judge it, and not that of the server's answer alone.
    for page in (
        read(admin_client, "perfops_loadrun_changelist"), home,
        read(admin_client, "perfops_loadrun_change", runs[-1].pk),
    ):  # fmt: skip
        assert "1.2 s" in page
    assert "617 ms" not in read(admin_client, "perfops_loadrun_changelist") + home
    # Findings that are open.
    number = Finding.objects.filter(status="open").count()
    assert f"{number} findings" in read(admin_client, "perfops_finding_changelist")
    text = "1 error, 1 warning, 2 hints"
    assert text in home
    assert said["findings"].startswith(text)
    # Budgets that hold, and the one that does not, with its value.
    held = re.match(r"(\d+) of (\d+) hold", said["budgets"])
    assert int(held[2]) - int(held[1]) == home.count("beyond the limit by") >= 1
    # The share of the database's time of one incident.
    shown = read(admin_client, "perfops_analysis_change", analysis.pk)
    assert "12.3%" in shown
    assert "12.3%" in home
    # Over REST.
    rest = {
        name: admin_client.get(f"/api/v1/perfops/{name}?limit=100").json()["results"]
        for name in ("runs", "findings", "budgets")
    }
    assert (rest["runs"][0]["p95_ms"], rest["runs"][0]["verdict"]) == (1234.0, "fail")
    assert len(rest["findings"]) == number
    judged = [each["last"] for each in rest["budgets"] if each["last"]]
    assert len(judged) == int(held[2])
    assert sum(each["outcome"] != "violated" for each in judged) == int(held[1])
    incidents = admin_client.get("/api/v1/perfops/incidents").json()["results"]
    assert f"{incidents[0]['impact']:.1%}" == "12.3%"
    # The headline.
    assert said["headline"] in home
