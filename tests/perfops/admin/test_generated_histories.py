"""On histories made at random: one figure is one text on pages, terminal, REST and files."""

import csv
import io
import json
import re
import traceback
from contextlib import redirect_stdout
from xml.etree import ElementTree as ET

import pytest
from django.core.management import call_command
from django.db import transaction
from django.urls import reverse
from hypothesis import HealthCheck, Phase, given, settings

from perfops.formatting import ms_text, percent_text, severities_text, share_text
from perfops.models import Budget, Finding
from tests.perfops.admin import histories
from tests.perfops.admin.reading import Page, plain

pytestmark = pytest.mark.django_db
# A whole site is read for each example: few in `make test`, the search is the random section's.
EXAMPLES = 2 if settings.default.derandomize else 40


def printed(*command, **options):
    out = io.StringIO()
    with redirect_stdout(out), pytest.raises(SystemExit):
        call_command(*command, **options)
    return out.getvalue()


class Site:
    """All that says something of one history."""

    def __init__(self, client, runs, analysis):
        self.client, self.runs, self.analysis = client, runs, analysis
        self.home = self.page("app_list", "perfops")
        # It judges the newest run again, and says the same.
        self.judged = json.loads(printed("check_budget", format="json"))
        self.markdown = printed("check_budget", format="markdown")
        self.junit = ET.fromstring(printed("check_budget", format="junit"))
        self.sarif = json.loads(printed("check_budget", format="sarif"))["runs"][0]
        self.said = json.loads(printed("perfops", format="json"))
        self.run = self.page("perfops_loadrun_change", runs[-1].pk)
        asked = {"with": runs[-2].pk}
        self.comparison = self.page("perfops_loadrun_compare", runs[-1].pk, **asked)

    def page(self, name, *arguments, **asked):
        return Page(self.client.get(reverse(f"admin:{name}", args=arguments), asked))

    def rest(self, path):
        answer = self.client.get(f"/api/v1/perfops/{path}")
        assert answer.status_code == 200
        return answer.json()


@settings(
    max_examples=EXAMPLES,
    # To shrink an example reads the site hundreds of times more.
    phases=[Phase.generate],
    suppress_health_check=[
        HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large,
    ],
)  # fmt: skip
@given(drawn=histories.HISTORY)
def test_a_figure_is_the_same_wherever_it_is_shown(admin_client, drawn):
    with transaction.atomic():
        site = Site(admin_client, *histories.make(drawn))
        # All of them: one contradiction hides no other.
        found = [said for check in CHECKS for said in contradictions(check, site)]
        transaction.set_rollback(True)
    assert not found, "\n".join(found)


def contradictions(check, site):
    try:
        check(site)
    except (AssertionError, KeyError, ValueError, TypeError) as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        yield f"{check.__name__}, line {place.lineno}: {type(error).__name__} {error}"


def figures_of_runs(site):
    listed = {row["name"]: row for row in site.page("perfops_loadrun_changelist").listed()}
    at_home = {row["Run"]: row for row in site.home.rows("Last run")}
    compared = {row["Figure"]: row for row in site.comparison.rows("All routes together")}
    rest = {row["id"]: row for row in site.rest("runs?limit=100")["results"]}
    for run in site.runs:
        name = f"{run.pk} · {run.scenario}"
        row, one = listed[name], site.rest(f"runs/{run.pk}")
        assert ms_text(rest[run.pk]["p95_ms"]) == ms_text(one["p95_ms"]) == row["p95"]
        assert percent_text(rest[run.pk]["error_rate"]) == row["errors"]
        assert rest[run.pk]["verdict"] == one["verdict"] == (run.verdict or None)
        if name in at_home:
            shown = at_home[name]
            assert (shown["p95, with waiting"], shown["Errors"]) == (row["p95"], row["errors"])
            assert shown["Verdict"] == row["outcome"]
            column = compared_as(run)
            assert compared["p95 from the scheduled start"][column] == row["p95"]
            assert compared["Errors"][column] == row["errors"]
            assert compared["Throughput held"][column] == shown["Throughput held"]
    last, facts = site.runs[-1], site.run.facts
    row = listed[f"{last.pk} · {last.scenario}"]
    assert facts["p95 latency"][1] == f"including waiting {row['p95']}"
    assert facts["Errors"][0] == row["errors"]
    assert row["outcome"] in plain(site.run.source.partition('id="po-live"')[2])[:200]
    home = site.home.facts
    assert home["p95 latency, with waiting"][0] == row["p95"]
    assert home["Errors"][0] == row["errors"]
    now = compared_as(last)
    assert facts["Held for 30 s"][0] == compared["Throughput held"][now]
    assert facts["Cache hits"][0] == compared["Cache hits"][now]
    assert facts["p95 latency"][0] == compared["p95 of the server's answer"][now]
    for name in ("Queries per request", "From PostgreSQL's memory"):
        assert facts[name][0] == compared[name][now], name
    standing = {each["Figure"]: each["This run"] for each in site.run.rows("Against the last runs")}
    for name, value in standing.items():
        assert value == compared[name][now], name
    # The headline, the run and its verdict in the terminal.
    assert site.said["headline"] in site.home.text
    assert site.said["last_run"].startswith(f"{last.pk} ({last.scenario}), {last.verdict}")


def compared_as(run):
    return f"Run {run.pk}"


def figures_of_routes_and_statements(site):
    routes = {row["Route"]: row for row in site.run.rows("Routes")}
    for row in site.comparison.rows("Routes"):
        assert row["After"] in {routes[row["Route"]][it] for it in ("p95", "Cache hits")}
    shown = site.run.rows("What each route asked of the database")
    assert shown
    change = {row["Statement, and the line that sends it"][:8]: row
              for row in site.comparison.rows("Statements")}  # fmt: skip
    for name, each in change.items():
        of_run = re.search(
            rf"{name} FROM shop shop/views.py:7 [\d,]+ ([\d,.]+) (\S+ \S+)", site.run.text
        )
        if of_run is None:
            # A statement may be another one's beginning.
            continue
        assert each["After"] == of_run[1]


def figures_of_budgets(site):
    stored = {row["name"]: row for row in site.judged["budgets"]}
    rest = {row["name"]: row for row in site.rest("budgets?limit=100")["results"]}
    of_run = {row["name"]: row for row in site.rest(f"runs/{site.runs[-1].pk}")["budgets"]}
    on_page = {row["Budget"]: row for row in site.run.rows("Budgets")}
    at_home = {row["Budget"]: row for row in site.home.rows("Budgets")}
    listed = site.page("perfops_budget_changelist").listed()
    assert stored.keys() == of_run.keys() == on_page.keys()
    for budget in Budget.objects.filter(enabled=True):
        name = str(budget)
        row, judged = on_page[name], rest[name]["last"]
        if judged is None or judged["run"] != site.runs[-1].pk:
            # The newest run could not tell.
            assert of_run[name]["outcome"] == stored[name]["outcome"] == "unknown"
            assert (name in at_home) == (judged is not None)
            continue
        assert judged["value"] == of_run[name]["value"] == stored[name]["value"]
        assert judged["outcome"] == of_run[name]["outcome"] == stored[name]["outcome"]
        assert judged["margin"] == stored[name]["margin"]
        assert judged["text"] == f"{row['Value']} of {row['Threshold']}"
        home = at_home[name]
        assert (home["Value"], home["Margin"]) == (row["Value"], row["Margin"])
        assert row["Outcome"].startswith(home["Outcome"])
        assert f"{row['Value']} | {row['Target']} | {row['Threshold']} | {row['Margin']}" in (
            site.markdown.replace("\\", "")
        )
        (in_list,) = [each for each in listed if name in each.values()]
        assert row["Value"] in " ".join(in_list.values())
        history = site.page("perfops_budget_runs", budget.pk)
        assert f"run {site.runs[-1].pk} " in history.text
        value, *bounds = (re.escape(row[each]) for each in ("Value", "Target", "Threshold"))
        assert re.search(rf" {value} \S+ [\w ]+ {' '.join(bounds)} ", history.text)
        address = reverse("admin:perfops_budget_runs", args=[budget.pk])
        file = site.client.get(address, {"format": "csv"}).content.decode()
        (*_, line) = csv.DictReader(io.StringIO(file))
        assert float(line["value"]) == judged["value"]
        assert line["outcome"] == judged["outcome"]
        if budget.metric == "latency_p95" and not budget.route:
            # What is judged is what the run's figures show.
            assert site.run.facts["p95 latency"][1] == f"including waiting {row['Value']}"
        if budget.route:
            routes = {each["Route"]: each for each in site.run.rows("Routes")}
            assert row["Value"] == routes[budget.route]["p95 incl. waiting"]
    held, all_of_them = map(int, re.findall(r"\d+", site.said["budgets"])[:2] or (0, 0))
    assert all_of_them == len(at_home)
    assert all_of_them - held == sum("violated" in row["Outcome"] for row in at_home.values())
    codes = {"pass": 0, "warn": 0, "fail": 1, "invalid": 2}
    assert site.judged["exit_code"] == codes[site.runs[-1].verdict]


def files_for_ci(site):
    """JUnit and SARIF name the budgets that the run's page calls violated or unknown, and no other,
    with the figures of that page; markdown has its verdict.
    """
    rows = {row["Budget"]: row for row in site.run.rows("Budgets")}
    stored = {row["name"]: row for row in site.judged["budgets"]}
    cases = {case.get("name"): case for case in site.junit.iter("testcase")}
    verdict = cases.pop("verdict")
    assert cases.keys() == rows.keys()
    by_outcome = {"failure": "violated", "error": "unknown"}
    for name, case in cases.items():
        (said,) = case
        text = said.get("message") or said.text
        outcome = stored[name]["outcome"]
        if said.tag in by_outcome:
            assert by_outcome[said.tag] == outcome
        elif outcome in by_outcome.values():
            assert stored[name]["action"] == "warn"
        if said.tag != "error":
            assert f"{rows[name]['Value']}; it must be {rows[name]['Threshold']}." in text
    kinds = {0: set(), 1: {"failure"}, 2: {"error"}}
    assert {each.tag for each in verdict} == kinds[site.judged["exit_code"]]
    violated = {each["partialFingerprints"]["perfops/v1"]: each["message"]["text"]
                for each in site.sarif["results"]}  # fmt: skip
    assert violated.keys() == {n for n, each in stored.items() if each["outcome"] == "violated"}
    for name, text in violated.items():
        row = rows[name]
        assert row["Outcome"].startswith("violated")
        assert text.startswith(f"{name} is {row['Value']}; it must be {row['Threshold']}.")
    words = {0: "PASS", 1: "FAIL", 2: "COULD NOT TELL"}
    assert site.markdown.startswith(f"## {words[site.judged['exit_code']]}: ")


def what_is_open(site):
    rows = Finding.objects.filter(status="open")
    counted = {s: rows.filter(severity=s).count() for s in ("error", "warning", "info")}
    text = severities_text(counted)
    listed = site.page("perfops_finding_changelist")
    number = sum(counted.values())
    assert re.search(rf"\b{number} findings?\b", listed.text)
    assert len(listed.listed()) == number
    assert len(site.rest("findings?limit=100")["results"]) == number
    assert site.said["findings"].startswith(text or "no problem is open")
    assert (f"{text} open" in site.home.text) == bool(text)
    # Incidents: what is open of the newest analysis, on its page, at home, over REST.
    incidents = site.rest("incidents")["results"]
    page = site.page("perfops_analysis_change", site.analysis.pk)
    shown = {each["findings"][0]["title"] for each in incidents}
    for each in incidents:
        assert each["title"] in page.text
        if each["impact"]:
            assert f"{share_text(each['impact'])} of the database's time" in page.text or (
                "incidents" in page.text
            )
    by_title = {each["title"]: each for each in incidents}
    cards = r'<article class="po-card po-(\w+)">(.*?)</article>'
    for card in re.findall(cards, site.home.source, re.DOTALL):
        title = re.search(r'<a href="[^"]*">([^<]+)</a>', card[1])[1]
        assert title in by_title, (title, shown)
        each = by_title[title]
        kinds = {"bad": "error", "warning": "warning", "calm": "info"}
        assert kinds[card[0]] == each["severity"]
        found = re.search(r"its statements take (\S+) of it", card[1])
        assert (found[1] if found else None) == (
            share_text(each["impact"]) if each["impact"] else None
        )
        assert each["set_apart"] == ""


def figures_of_statements(site):
    listed = site.page("perfops_querytemplate_changelist", window="week").listed()
    by_route = {"GET /a": 0, "GET /b": 0}
    for number, row in enumerate(listed, 1):
        pk = int(re.search(r"SELECT (\d)", row["statement"])[1])
        page = site.page("perfops_querytemplate_change", pk, window="week")
        assert page.facts["Calls"][0] == row["calls"], number
        assert page.facts["Total time"][0] == row["total"]
        assert page.facts["Mean"][0] == row["mean"]
        assert page.facts["Share of the database's time"][0].partition(" in ")[0] == row["share"]
        (sender,) = page.rows("Sent by")
        assert (sender["Calls"], sender["Total"]) == (row["calls"], row["total"])
        by_route[sender["For"].removesuffix(" request")] += int(row["calls"].replace(",", ""))
    scopes = site.page("perfops_scopetotal_changelist").listed()
    requests = sum(int(row["times"].split()[0].replace(",", "")) for row in scopes)
    assert site.home.facts["Requests with statements"][0] == f"{requests:,}"


CHECKS = (
    figures_of_runs, figures_of_routes_and_statements, figures_of_budgets, files_for_ci,
    what_is_open,
    figures_of_statements,
)  # fmt: skip
