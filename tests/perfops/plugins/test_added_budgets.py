"""Other apps and installed packages add budget metrics and scenarios."""

import pytest

from perfops.budgets import services as budgets
from perfops.budgets.metrics import registry
from perfops.budgets.prometheus import rules
from perfops.checks import check_project
from perfops.load import scenarios
from perfops.models.budgets import Budget
from tests.perfops.budgets.test_verdicts import run_with

HERE = "tests.perfops.plugins.added"


@pytest.fixture
def added(settings):
    settings.PERFOPS = {
        **settings.PERFOPS,
        "BUDGET_METRICS": [f"{HERE}.errors"],
        "SCENARIO_DIRS": [f"{HERE}.load"],
    }


@pytest.mark.django_db
@pytest.mark.usefixtures("added")
def test_a_setting_adds_a_budget_metric_that_forms_offer_and_runs_are_judged_by():
    assert check_project() == []
    field = Budget._meta.get_field("metric")
    assert ("added_errors", "errors of a run") in list(field.choices)
    _, off = budgets.replace_budgets(
        budgets.wanted(b'[{"metric": "added_errors", "target": 3, "threshold": "10 errors"}]')
    )
    assert off == 6
    (found,) = budgets.evaluate(run_with(errors=4))
    assert (str(found.budget), found.outcome, found.value) == ("errors of a run", "near", 4)
    # Prometheus does not know it: no rule is made.
    assert all(not group.rules for group in rules.groups([found.budget]))


def test_without_the_setting_it_is_not_there():
    assert "added_errors" not in registry.every()
    assert {"cache_hit_rate", "error_rate", "latency_p95", "throughput"} <= set(registry.every())


@pytest.mark.usefixtures("added")
def test_a_setting_adds_a_folder_of_scenarios():
    assert "added" in scenarios.every()
    assert {"smoke", "api-load", "stress"} <= set(scenarios.every())
    assert scenarios.find("added").routes.name == "routes.json"


@pytest.mark.parametrize(
    ("setting", "path", "reason"),
    [
        ("BUDGET_METRICS", f"{HERE}.titles", "it lacks them"),
        ("BUDGET_METRICS", "no.such.module", "importing it raised"),
        ("SCENARIO_DIRS", f"{HERE}.titles", "is a package, with scenarios.json in it"),
        ("SCENARIO_DIRS", HERE, "neither scenarios.json nor"),
    ],
)
def test_one_that_cannot_be_used_is_named_by_the_check(settings, setting, path, reason):
    settings.PERFOPS = {**settings.PERFOPS, setting: [path]}
    (warning,) = check_project()
    assert warning.id == "perfops.W004"
    assert warning.msg.startswith(f"{path} (PERFOPS['{setting}']) can't be used: ")
    assert reason in warning.msg
    assert "latency_p95" in registry.every()
    assert "smoke" in scenarios.every()
