"""Figures for Prometheus: how near each budget is to its threshold, what is open."""

from datetime import UTC, datetime

import pytest

from perfops.budgets import figures
from perfops.models import Budget, Evaluation, Finding, LoadRun

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


def test_open_findings_are_counted_and_none_is_told_as_zero():
    now = datetime.now(UTC)
    for number, status in enumerate(("open", "open", "resolved")):
        Finding.objects.create(
            database="default", fingerprint=str(number), advisor="a", object="o", title="t",
            severity="warning", status=status, why="w", remedy="r", first_seen_at=now,
            last_seen_at=now,
        )  # fmt: skip
    assert read()["perfops_finding_open"] == {"error": 0, "warning": 2, "info": 0}
