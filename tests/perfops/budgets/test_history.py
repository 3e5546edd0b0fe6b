"""The history of a budget: change points, deploys, changes of the budget; page and CSV."""

import csv
import io
import random

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from perfops.budgets import history
from perfops.models import Budget, BudgetChange, Evaluation, LoadRun

pytestmark = pytest.mark.django_db
MOST_QUERIES = 20


def fill(budget, *levels, runs):
    """So many runs at each level (ms), each level a commit of its own."""
    rng = random.Random(5)
    made = LoadRun.objects.bulk_create(
        LoadRun(
            scenario="smoke", target="http://127.0.0.1:1", state="finished",
            fingerprint={"commit": f"{n}abcdef01234", "migrations": "same"},
        )
        for n in range(len(levels))
        for _ in range(runs)
    )  # fmt: skip
    Evaluation.objects.bulk_create(
        Evaluation(
            budget=budget, run=run, metric=budget.metric, action="fail", outcome="met",
            value=levels[n // runs] * rng.lognormvariate(0, 0.03), target=300, threshold=500,
        )
        for n, run in enumerate(made)
    )  # fmt: skip
    return made


@pytest.fixture
def budget():
    return Budget.objects.get(metric="latency_p95")


@pytest.fixture
def url(budget):
    return reverse("admin:perfops_budget_runs", args=[budget.pk])


def test_a_step_a_deploy_and_a_change_of_the_budget_are_at_their_runs(budget):
    runs = fill(budget, 100, 130, runs=15)
    change = BudgetChange.objects.create(budget=budget, name=str(budget), what="x", why="because")
    BudgetChange.objects.filter(pk=change.pk).update(created_at=runs[3].created_at)
    found = history.read(budget)
    assert [(each.kind, each.place) for each in found.happenings if each.kind != "budget"] == [
        ("change point", 15),
        ("deploy", 15),
    ]
    assert [each.text for each in found.happenings if each.kind == "budget"] == ["x (because)"]


def test_the_page_marks_them_and_names_bounds_beyond_the_values(budget, url, admin_client):
    fill(budget, 100, 130, runs=15)
    page = admin_client.get(url).content.decode()
    assert page.count('class="po-event po-line-bad"') == 1
    assert page.count('class="po-event po-line-2"') == 1
    assert "threshold &lt; 500 ms is above this chart" in page
    assert "0abcdef012 → 1abcdef012" in page


def test_the_csv_has_every_run(budget, url, admin_client):
    runs = fill(budget, 100, 130, runs=15)
    answer = admin_client.get(url, {"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [int(row["run"]) for row in rows] == [run.pk for run in runs]
    assert rows[15]["happened"].startswith("change point: ")
    assert float(rows[0]["target"]) == 300


def test_a_thousand_runs_take_twenty_queries_at_most(budget, url, admin_client):
    fill(budget, 100, 120, 100, 130, runs=250)
    with CaptureQueriesContext(connection) as found:
        page = admin_client.get(url).content.decode()
    assert len(found) <= MOST_QUERIES
    assert "The newest 20 of 1000" in page
    assert 'href="?runs=all#po-runs">Show 100<' in page
    page = admin_client.get(url, {"runs": "all"}).content.decode()
    assert "The newest 100 of 1000" in page


def test_nothing_measured_and_nothing_allowed(url, admin_client, client):
    assert "No run has measured this budget yet" in admin_client.get(url).content.decode()
    assert admin_client.get(reverse("admin:perfops_budget_runs", args=[0])).status_code == 404
    client.force_login(User.objects.create_user("stranger", is_staff=True))
    assert client.get(url).status_code == 403
