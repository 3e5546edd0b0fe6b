"""Figures for Prometheus: how near each budget is to its threshold, what is open."""

from datetime import UTC, datetime, timedelta

import pytest

from perfops.budgets import figures
from perfops.budgets.metrics import registry
from perfops.models import Budget, Evaluation, Finding, LoadRun, RouteResult
from perfops.models.origins import ScopeTotal

pytestmark = pytest.mark.django_db


def read():
    return {name: values for name, _, _, values in figures.read()}


@pytest.fixture
def judged():
    Budget.objects.all().delete()
    run = LoadRun.objects.create(scenario="smoke", target="http://127.0.0.1:1")

    def judge(metric, value, threshold, route="", enabled=True):
        budget = Budget.objects.create(
            metric=metric, route=route, target=threshold, threshold=threshold, enabled=enabled
        )
        Evaluation.objects.create(
            budget=budget, run=run, outcome="met", value=value, target=threshold,
            threshold=threshold,
        )  # fmt: skip

    return judge


def test_a_ratio_above_one_is_a_broken_budget_whichever_way_is_better(judged):
    judged("latency_p95", 600.0, 500.0)
    judged("latency_p95", 250.0, 500.0, route="/health")
    judged("cache_hit_rate", 0.35, 0.7)
    judged("error_rate", 0.0, 0.0)
    judged("throughput", 1.0, 2.0, enabled=False)
    assert read()["perfops_budget_ratio"] == {
        "latency_p95": 1.2,
        "latency_p95 /health": 0.5,
        "cache_hit_rate": 2.0,
        "error_rate": 0.0,
    }


def scope(name, calls, executions=2, **given):
    given = {"kind": "request", "at": datetime.now(UTC), "span": "minute"} | given
    ScopeTotal.objects.create(
        database="default", name=name, executions=executions, calls=calls, total_ms=1.0,
        max_calls_per_execution=calls, repeated_calls=0, **given,
    )  # fmt: skip


def test_statements_per_request_are_told_for_the_routes_with_the_most():
    scope("a_command", 900, kind="command")
    scope("GET /old", 900, at=datetime.now(UTC) - timedelta(hours=3), span="hour")
    for number in range(60):
        scope(f"GET /{number}", 2 * number)
    found = read()["perfops_statements_per_request"]
    assert len(found) == 50
    assert (found["GET /59"], "GET /9" in found) == (59.0, False)


def test_a_budget_of_statements_per_request_is_read_by_route_and_for_all(judged):
    run = LoadRun(started_at=datetime.now(UTC), server={"queries": 1})
    scope("GET /a", 44)
    scope("GET /b", 4, executions=6)
    metric = registry.every()["statements_per_request"]
    budget = Budget(metric=metric.key, target=10, threshold=20)
    assert metric.read(run, budget).value == 6.0
    assert metric.read_route(RouteResult(route="/a"), run, budget).value == 22.0
    unknown = metric.read_route(RouteResult(route="/c"), run, budget)
    assert (unknown.value, "GET /c" in unknown.reason) == (None, True)
    elsewhere = metric.read(LoadRun(started_at=run.started_at), budget)
    assert (elsewhere.value, "not this project" in elsewhere.reason) == (None, True)
    assert not metric.holds(22.0, budget.threshold)


def test_open_findings_are_counted_and_none_is_told_as_zero():
    now = datetime.now(UTC)
    for number, status in enumerate(("open", "open", "resolved")):
        Finding.objects.create(
            database="default", fingerprint=str(number), advisor="a", object="o", title="t",
            severity="warning", status=status, why="w", remedy="r", first_seen_at=now,
            last_seen_at=now,
        )  # fmt: skip
    assert read()["perfops_finding_open"] == {"error": 0, "warning": 2, "info": 0}
