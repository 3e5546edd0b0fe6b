"""Thresholds of k6 made of budgets: a run that breaks one ends early, and fails."""

import pytest

from perfops import tasks
from perfops.budgets import services as budgets
from perfops.budgets import verdicts
from perfops.load import aborting, execution
from perfops.load import services as runs
from perfops.load.aborting import Abort
from perfops.load.parser import Intended, Timing
from perfops.load.recording import Recording
from perfops.load.scenarios import Scenario, Stage
from perfops.load.windows import Bound
from perfops.models import LoadRun
from perfops.models.budgets import Budget


def test_each_bound_on_all_routes_is_a_threshold():
    bounds = (
        Bound("p95", "p95", 500.0), Bound("p99", "p99", 1000.0),
        Bound("errors", "error_rate", 0.05), Bound("of one", "p95", 100.0, "/x/{id}"),
    )  # fmt: skip
    how = {"abortOnFail": True, "delayAbortEval": "30s"}
    plan = Scenario("", 10, (Stage(300, 10),), 10)
    # A p99 takes 1,000 requests.
    longer = {"abortOnFail": True, "delayAbortEval": "102s"}
    assert aborting.thresholds(Abort(bounds, 30), plan) == {
        "http_req_duration{scenario:load}": [
            {"threshold": "p(95)<500", **how}, {"threshold": "p(99)<1000", **longer}
        ],
        "http_req_failed{scenario:load}": [{"threshold": "rate<0.05", **how}],
    }  # fmt: skip
    assert aborting.thresholds(aborting.of_plan({}), plan) == {}


@pytest.mark.django_db
def test_a_search_for_the_limit_ends_at_no_budget():
    search = budgets.limit_search(ceiling=10, minutes=1)
    with pytest.raises(runs.RunRefused, match="by purpose"):
        runs.request_run(scenario="smoke", limit=search, abort=budgets.abort(1))


def test_a_budget_of_one_route_is_watched_by_its_own_requests_once_they_are_enough():
    recording = Recording()
    bounds = (Bound("p95 of /slow", "p95", 100.0, "/slow"), Bound("all", "p95", 1.0))
    watch = aborting.Watch(Abort(bounds, after_s=0), recording)
    assert not watch.is_broken()

    def answered(route, ms, number):
        for _ in range(number):
            recording.record(Timing(1000.0, route, ms, error=False, unreachable=False))
            recording.record(Intended(1000.0, route, ms, ""))

    answered("/quick", 5.0, 1000)
    answered("/slow", 300.0, 199)
    assert not watch.is_broken(), "a p95 takes 200 requests"
    answered("/slow", 300.0, 1)
    assert watch.is_broken()
    assert watch.broken.startswith("p95 of /slow was 30")
    assert not aborting.Watch(Abort(bounds, after_s=1e12), recording).is_broken()
    assert not aborting.Watch(None, recording).is_broken()


@pytest.mark.django_db
def test_the_form_and_schedules_end_runs_early_too(admin_client):
    form = {"scenario": "smoke", "target": "http://127.0.0.1:3001", "abort_after": "12"}
    admin_client.post("/admin/perfops/loadrun/start/", form)
    run = LoadRun.objects.get()
    assert run.plan["abort"]["after_s"] == 12
    runs.request_cancel(run.pk)
    tasks.scheduled_run("smoke", abort_after=7)
    assert LoadRun.objects.latest("pk").plan["abort"]["after_s"] == 7


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
@pytest.mark.usefixtures("quick_enough")
def test_a_run_that_breaks_a_budget_ends_early_and_fails(scenario, site):
    site.delay_s = 0.2
    # Of one route: k6 can't name it, and ends nothing.
    Budget.objects.create(
        metric="latency_p95", route="/health", target=50, threshold=100, action="fail"
    )
    name = scenario(rate=60, seconds=60)
    run = runs.request_run(
        scenario=name, target=site.url, enqueue=False, abort=budgets.abort(after_s=3)
    )
    execution.execute(run.pk, verdicts.decide)
    run.refresh_from_db()
    assert run.summary["k6_exit_code"] == 99
    # A generator that was late itself leaves the latency unproved.
    is_late = any("The generator was" in reason for reason in run.reasons)
    assert run.verdict == LoadRun.Verdict.FAILED or is_late, run.reasons
    assert any(reason.startswith("Ended after") for reason in run.reasons)
    assert run.summary["requests"] < 3000
