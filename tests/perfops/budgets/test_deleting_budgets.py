"""A deleted budget takes nothing with it of what runs said."""

import json

import pytest
from django.core.management import call_command
from django.urls import reverse

from perfops.budgets import selectors
from perfops.budgets.services import evaluate
from perfops.models import Budget, BudgetChange
from tests.migrating import database, migrate
from tests.perfops.budgets.test_verdicts import run_with

__all__ = ["database"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def run():
    """A run that was judged by the six budgets, of which p95 latency is deleted since."""
    run = run_with()
    evaluate(run)
    Budget.objects.get(metric="latency_p95").delete()
    return run


def of(run, name="p95 latency"):
    return next(each for each in selectors.of_run(run) if each.name == name)


def test_what_the_run_said_stays_with_the_limits_of_that_day(run):
    found = of(run)
    assert (found.outcome, found.target_text, found.action) == ("met", "< 300 ms", "fail")
    assert found.budget_id is None
    assert "has been deleted since" in found.reason


def test_the_page_and_the_json_of_the_run_show_it(run, admin_client, capsys):
    page = admin_client.get(reverse("admin:perfops_loadrun_change", args=[run.pk]))
    assert "This budget has been deleted since." in page.content.decode()
    with pytest.raises(SystemExit):
        call_command("check_budget", "--format", "json")
    assert "p95 latency" not in {
        each["name"] for each in json.loads(capsys.readouterr().out)["budgets"]
    }
    # Judged again by the budgets of today, the run keeps what the deleted one said.
    assert of(run).value == 10


def test_a_run_is_shown_as_it_was_judged_after_the_budget_has_changed():
    run = run_with()
    evaluate(run)
    Budget.objects.filter(metric="latency_p95").update(action="warn", route="/a", threshold=9)
    found = of(run)
    assert (found.action, found.threshold_text) == ("fail", "< 500 ms")


def test_a_budget_that_is_made_again_has_its_history(run):
    anew = Budget.objects.create(metric="latency_p95", target=1, threshold=2, action="warn")
    assert [each.run_id for each in selectors.history(anew)] == [run.pk]


def test_who_deletes_a_budget_in_the_admin_is_noted(admin_client):
    budget = Budget.objects.get(metric="error_rate")
    url = reverse("admin:perfops_budget_delete", args=[budget.pk])
    admin_client.post(url, {"post": "yes"})
    noted = BudgetChange.objects.get(name=str(budget))
    assert noted.what.startswith("deleted; target: < 1%")
    assert noted.changed_by.username == "admin"


@pytest.mark.slow
def test_the_migration_goes_back_with_what_runs_said(database):
    migrate(database)
    database.execute(
        "INSERT INTO perfops_loadrun (scenario, target, state, verdict, reasons, trigger,"
        " created_at, worker, plan, fingerprint, summary, server, log)"
        " SELECT 'smoke', 'x', 'finished', '', '[]', 'command', now(), '', '{}', '{}', '{}', '{}',"
        " '' FROM generate_series(1, 2)"
    )
    said = (
        "INSERT INTO perfops_evaluation (budget_id, run_id, metric, route, action, outcome, value,"
        " target, threshold, reason, created_at)"
        " SELECT {}, id, '{}', '', 'warn', 'met', {}, 1, 2, '', now() FROM perfops_loadrun"
    )
    p95 = "(SELECT id FROM perfops_budget WHERE metric = 'latency_p95')"
    # One that is there, deleted before and made again; one that is gone, twice.
    database.execute(said.format(p95, "latency_p95", 10))
    database.execute(said.format("NULL", "latency_p95", 20))
    database.execute(said.format("NULL", "gone", 30))
    database.execute(said.format("NULL", "gone", 40))
    migrate(database, ("perfops", "0024_decisions"))
    assert (
        database.execute(
            "SELECT b.metric, b.enabled, e.value FROM perfops_evaluation e"
            " JOIN perfops_budget b ON b.id = e.budget_id ORDER BY 1, e.run_id"
        ).fetchall()
        == [("gone", False, 40)] * 2 + [("latency_p95", True, 10)] * 2
    )
    migrate(database)
    assert database.execute(
        "SELECT count(*) FROM perfops_evaluation WHERE metric <> '' AND action <> ''"
    ).fetchone() == (4,)
