"""A file of the project sets the budgets: those it lists, and no others."""

import json

import pytest
from django.core.management import CommandError, call_command

from perfops.models import Budget, BudgetChange

pytestmark = pytest.mark.django_db
P95 = {"metric": "latency_p95", "target": 50, "threshold": 80}

HITS = {"metric": "cache_hit_rate", "target": 0.85, "threshold": 0.7}


@pytest.fixture
def told(tmp_path, capsys):
    """Set what a file of this text lists; return what the command says."""

    def write(text):
        file = tmp_path / "budgets.json"
        file.write_text(text if isinstance(text, str) else json.dumps(text))
        call_command("set_budgets", str(file))
        return capsys.readouterr().out

    return write


def enabled():
    budgets = Budget.objects.filter(enabled=True).order_by("route")
    return list(budgets.values_list("metric", "route", "target", "threshold", "action"))


def test_the_file_is_all_that_counts_and_the_others_are_kept_turned_off(told):
    before = set(Budget.objects.values_list("pk", flat=True))
    route = {**P95, "route": "/orders/{id}/", "action": "warn"}
    assert "set: 2; others turned off: 5" in told([P95, route])
    assert enabled() == [
        ("latency_p95", "", 50, 80, "fail"),
        ("latency_p95", "/orders/{id}/", 50, 80, "warn"),
    ]
    assert before < set(Budget.objects.values_list("pk", flat=True))
    # Again, without one of them, with another figure: rows stay, and with them their history.
    assert "set: 1; others turned off: 1" in told([{**P95, "threshold": 90}])
    assert enabled() == [("latency_p95", "", 50, 90, "fail")]
    assert Budget.objects.count() == 7


def test_the_history_says_what_a_file_changed_and_why(told, tmp_path):
    told([P95])
    call_command("set_budgets", str(tmp_path / "budgets.json"), "--why", "the same again")
    found = {each.name: (each.what, each.why) for each in BudgetChange.objects.all()}
    assert found["p95 latency"] == (
        "target: < 300 ms → < 50 ms; threshold: < 500 ms → < 80 ms",
        "set_budgets budgets.json",
    )
    assert found["throughput"] == ("enabled: on → off", "set_budgets budgets.json")
    assert BudgetChange.objects.count() == 6


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[", "no list of budgets"),
        ([{**P95, "limit": 5}], "unknown field `limit`"),
        ([{**P95, "metric": "p95"}], "no metric 'p95'; there is: .*, latency_p95, "),
        ([{**P95, "route": "/", "action": "shout"}], "latency_p95 of /: Value 'shout'"),
        ([{**P95, "target": 81}], "easier to meet than its threshold"),
        ([P95, {"metric": "throughput", "target": 10, "threshold": 20}], "throughput: its target"),
        ([P95, P95], "the same metric and route"),
        ([{**HITS, "target": 85}], "cache_hit_rate: target: It is a share .*: write 85% or 0.85"),
        ([{**HITS, "target": "8500%"}], "target: It is a share from 0 to 1"),
        # 8500% and 85 would be as wrong.
        ([{**HITS, "target": 8500}], "target: It is a share from 0 to 1: write 100% or less"),
        ([{**P95, "target": -1}], "latency_p95: target: It must not be negative"),
        ([{**P95, "target": "fast"}], "target: 'fast' is not a number of ms"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_changed(told, text, says):
    before = enabled()
    with pytest.raises(CommandError, match=says) as error:
        told(text)
    assert error.value.returncode == 2
    assert enabled() == before


def test_bounds_may_be_written_with_their_unit(told):
    told([{**HITS, "target": "85%", "threshold": "70 %"}])
    assert enabled() == [("cache_hit_rate", "", 0.85, 0.7, "fail")]
    told([{**P95, "target": "300 ms", "threshold": "500ms"}])
    assert enabled() == [("latency_p95", "", 300, 500, "fail")]


def test_a_file_that_is_not_there():
    with pytest.raises(CommandError, match="No such file"):
        call_command("set_budgets", "/nowhere/budgets.json")
