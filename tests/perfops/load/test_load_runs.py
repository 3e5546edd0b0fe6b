"""Real k6 against a real server: valid comes before good."""

import threading
import time

import pytest
from django.conf import settings as django_settings
from django.db import connection, transaction

from perfops.budgets import verdicts
from perfops.jobs import lifecycle
from perfops.load import execution, progress, selectors, storing, targets
from perfops.load import services as runs
from perfops.load.summary import Summary
from perfops.load.validity import VALID
from perfops.models import LoadRun
from perfops.models.budgets import Budget, Evaluation
from tests.perfops import programs

State, Verdict = LoadRun.State, LoadRun.Verdict
PATIENCE_S = 120
pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.usefixtures("quick_enough"),
]


def load_valid(name, target):
    """A generator that has to share a busy machine may fall behind: then again."""
    for _ in range(6):
        run = load(name, target)
        if run.verdict != Verdict.INVALID:
            break
    return run


def load(name, target):
    run = runs.request_run(scenario=name, target=target, enqueue=False)
    execution.execute(run.pk, verdicts.decide)
    run.refresh_from_db()
    return run


def test_a_good_run_passes_is_measured_in_full_and_only_once(scenario, site, settings):
    settings.PERFOPS = {**settings.PERFOPS, "OWN_TARGETS": [site.url]}
    run = load_valid(scenario(), site.url)
    assert (run.state, run.verdict) == (State.FINISHED, Verdict.PASSED), (run.reasons, run.log)
    summary = run.summary
    assert set(summary) >= set(Summary.__dataclass_fields__)
    assert summary["requests"] == pytest.approx(1120, abs=20)
    assert summary["errors"] == summary["dropped"] == 0
    assert summary["achieved"] >= 0.99
    assert 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"]
    assert summary["latency_ms"]["p50"] <= summary["intended_latency_ms"]["p50"]
    assert 0.8 < summary["cache_hit_rate"] < 1
    assert summary["generator_cpu"] > 0
    assert run.server["window_s"] > 3
    assert run.fingerprint["k6"].startswith("k6")
    assert run.fingerprint["postgres"]
    check_that_seconds_and_routes_add_up(run)
    check_that_a_warning_budget_warns(run)
    finished = run.finished_at
    execution.execute(run.pk, verdicts.decide)
    run.refresh_from_db()
    assert run.finished_at == finished


def check_that_seconds_and_routes_add_up(run):
    total = run.summary["requests"]
    assert sum(point.requests for point in selectors.series(run)) == total
    routes = selectors.route_results(run)
    assert sum(route.requests for route in routes) == total
    shares = {route.route: route.requests / total for route in routes}
    assert shares["/health"] == pytest.approx(0.40, abs=0.01)
    assert shares["/api/v1/profiles"] == pytest.approx(0.30, abs=0.01)
    assert shares["/api/v1/profiles/{id}"] == pytest.approx(0.15, abs=0.01)
    assert shares["/ready"] == pytest.approx(0.05, abs=0.01)


def check_that_a_warning_budget_warns(run):
    Budget.objects.filter(metric="latency_p99").update(target=0.001, threshold=0.001)
    verdict, reasons = verdicts.decide(run, VALID, judged=True)
    assert verdict == Verdict.WARNED, reasons
    violated = run.evaluations.get(budget__metric="latency_p99")
    assert violated.outcome == Evaluation.Outcome.VIOLATED


@pytest.mark.slow
def test_a_server_that_stops_in_the_middle_fails_the_run(scenario, site):
    run = runs.request_run(scenario=scenario(rate=100, seconds=15), target=site.url, enqueue=False)
    thread = executing(run)
    wait_until(lambda: requests_so_far(run) > 50)
    site.die()
    thread.join(PATIENCE_S)
    run.refresh_from_db()
    assert (run.state, run.verdict) == (State.FINISHED, Verdict.FAILED)
    assert any("error rate" in reason for reason in run.reasons), run.reasons


@pytest.mark.slow
def test_a_server_that_hangs_to_the_end_fails_the_run(scenario, site):
    """k6 has no row for what it interrupts at its end: each counts with the time that it waited."""
    run = runs.request_run(scenario=scenario(rate=50, seconds=8), target=site.url, enqueue=False)
    thread = executing(run)
    wait_until(lambda: requests_so_far(run) > 50)
    site.delay_s = 60
    thread.join(PATIENCE_S)
    run.refresh_from_db()
    assert run.state == State.FINISHED
    assert run.verdict == Verdict.FAILED, run.reasons
    assert any("error rate" in reason for reason in run.reasons), run.reasons
    assert any("had no answer when the run ended" in reason for reason in run.reasons)
    summary = run.summary
    # 10 s after the plan's end, of which k6's last row may miss one.
    assert summary["unanswered"] == summary["errors"] > 100
    assert summary["intended_latency_ms"]["p95"] > 9_000
    total = summary["requests"]
    assert sum(point.requests for point in selectors.series(run)) == total > summary["unanswered"]


def test_a_wrong_port_makes_the_run_invalid(scenario):
    run = load(scenario(), "http://127.0.0.1:9")
    assert (run.state, run.verdict) == (State.FINISHED, Verdict.INVALID)
    assert "Nothing answers at http://127.0.0.1:9" in run.reasons[0]


@pytest.mark.slow
def test_dropped_iterations_make_the_run_invalid(scenario, site):
    site.delay_s = 0.5
    run = load(scenario(rate=400, max_vus=5), site.url)
    assert (run.state, run.verdict) == (State.FINISHED, Verdict.INVALID)
    assert any("were dropped" in reason for reason in run.reasons), run.reasons
    assert run.summary["dropped"] > 0
    # Dropped iterations take up their places in the schedule: those that were sent waited for
    # none of them.
    sent, scheduled = run.summary["latency_ms"], run.summary["intended_latency_ms"]
    assert scheduled["p50"] < sent["p50"] * 2
    assert any(result.scheduled_p95_ms for result in run.routes.all())
    assert run.server["missing"][0]["reason"].startswith(f"{site.url} is not one of")
    assert "queries_per_request" not in run.server
    # Neither ours nor one that says what it is.
    assert "TARGET_SECRET" in run.server["target"]["black_box"]
    assert run.fingerprint["commit"] is None


@pytest.mark.slow
def test_budgets_fail_a_slow_server_even_where_iterations_were_dropped(scenario, site):
    site.delay_s = 0.5
    Budget.objects.filter(metric="latency_p95").update(target=100, threshold=200)
    run = load(scenario(rate=400, max_vus=25), site.url)
    assert run.summary["dropped"] > 0
    assert run.verdict == Verdict.FAILED, run.reasons


@pytest.mark.slow
def test_redirects_and_errors_are_no_throughput(scenario, site, settings, tmp_path):
    (tmp_path / "k6" / "routes.js").write_text(
        "export const requestOf = (n) => ['/moved', '/moved'];\n"
    )
    run = load(scenario(rate=50, seconds=3), site.url)
    assert run.summary["requests"] == run.summary["errors"] > 0
    assert run.summary["sustained_throughput"] == run.summary["throughput"] == 0


def test_a_proxy_in_the_environment_is_not_asked(scenario, site, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    assert targets.unreachable(site.url) is None


@pytest.mark.slow
def test_a_killed_k6_leaves_what_it_measured_and_a_run_that_is_not_valid(scenario, site):
    run = runs.request_run(scenario=scenario(rate=100, seconds=300), target=site.url, enqueue=False)
    thread = executing(run)
    wait_until(lambda: requests_so_far(run) > 50)
    for process in programs.k6_of(site.url):
        process.kill()
    thread.join(60)
    assert not thread.is_alive()
    run.refresh_from_db()
    assert (run.state, run.verdict) == (State.FINISHED, Verdict.INVALID), run.reasons
    assert "k6 was killed (SIGKILL)" in run.reasons[0]
    assert any("too few for a p99" in reason for reason in run.reasons), run.reasons
    assert sum(point.requests for point in selectors.series(run)) == run.summary["requests"] > 50


@pytest.mark.slow
def test_errors_over_the_budget_fail_the_run(scenario, site):
    site.error_share = 0.3
    run = load(scenario(rate=100), site.url)
    assert run.verdict == Verdict.FAILED, run.reasons
    assert any("error rate" in reason for reason in run.reasons), run.reasons


@pytest.mark.slow
def test_a_slow_server_fails_the_run_by_latency(scenario, site):
    site.delay_s = 0.6
    Budget.objects.filter(metric="latency_p95").update(target=300, threshold=500)
    run = load_valid(scenario(rate=160), site.url)
    # A generator that could not send its plan, or in time, leaves the latency unproved.
    why = ("planned requests", "The generator was")
    is_said = any(each in reason for reason in run.reasons for each in why)
    assert run.verdict == Verdict.FAILED or is_said, run.reasons


def test_the_plans_are_those_of_the_design():
    from perfops.load.scenarios import load as load_plan

    directory = django_settings.PERFOPS["SCENARIO_DIR"]
    smoke, api_load, stress = (load_plan(directory, n) for n in ("smoke", "api-load", "stress"))
    assert (smoke.duration_s, smoke.spec.max_vus) == (55, 100)
    assert (api_load.duration_s, api_load.peak_rate) == (7 * 60, 1000)
    held = [stage for stage in api_load.spec.stages if stage.rate == 1000]
    assert held[-1].seconds == 120
    assert (stress.duration_s, stress.spec.max_vus) == (20 * 60, 2000)


@pytest.mark.slow
def test_stress_is_not_judged(scenario, site):
    run = load_valid(scenario(name="stress", judged=False), site.url)
    assert (run.state, run.verdict) == (State.FINISHED, Verdict.NONE)
    assert not run.evaluations.exists()
    # One rate shows no curve, but where the machine stood still: test_scalability.
    assert run.summary["scalability"]["points"]


def test_a_script_that_k6_cannot_run_is_no_verdict(scenario, site, tmp_path):
    name = scenario()
    (tmp_path / "k6" / "smoke.js").write_text("this is no script")
    run = load(name, site.url)
    assert (run.state, run.verdict) == (State.FAILED, Verdict.NONE)
    assert "k6 could not run smoke" in run.reasons[0]
    # Nor does anything go on that was started for it.
    assert not [each for each in threading.enumerate() if each.name == storing.THREAD]


def test_without_k6_the_run_says_how_to_get_it(scenario, site, settings):
    settings.PERFOPS = {**settings.PERFOPS, "K6_BINARY": "/nowhere/k6"}
    run = load(scenario(), site.url)
    assert run.state == State.FAILED
    assert "K6_BINARY" in run.reasons[0]


def executing(run):
    def work():
        from django.db import connection

        try:
            execution.execute(run.pk, verdicts.decide)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def requests_so_far(run):
    run.refresh_from_db()
    return progress.of(run).requests


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


def test_progress_is_seen_while_it_runs_and_cancel_stops_k6(scenario, site):
    run = runs.request_run(scenario=scenario(rate=100, seconds=60), target=site.url, enqueue=False)
    thread = executing(run)
    wait_until(lambda: requests_so_far(run) > 50)
    assert runs.request_cancel(run.pk)
    thread.join(PATIENCE_S)
    run.refresh_from_db()
    assert run.state == State.CANCELED
    assert programs.k6_of(site.url) == [], "k6 goes on"


def test_a_second_run_of_the_same_target_is_refused(scenario, site):
    first = runs.request_run(scenario=scenario(), target=site.url, enqueue=False)
    with pytest.raises(runs.RunRefused, match=f"Run {first.pk}"):
        runs.request_run(scenario="smoke", target=site.url, enqueue=False)


def test_the_database_lets_one_run_at_a_time_have_a_target(scenario, site):
    """Two requests at the very same moment both pass the question; only one can claim."""
    first = runs.request_run(scenario=scenario(), target=site.url, enqueue=False)
    second = LoadRun.objects.create(scenario="smoke", target=site.url)
    assert execution._claim(first.pk)
    execution.execute(second.pk, verdicts.decide)
    second.refresh_from_db()
    assert second.state == State.FAILED
    assert "Another run" in second.reasons[0]


@pytest.mark.slow
def test_a_run_goes_on_while_the_database_stalls_and_stores_what_it_measured_later(
    scenario, site, settings
):
    """The table of samples is locked, and the run is called lost in the meantime."""
    settings.PERFOPS = {**settings.PERFOPS, "LOST_AFTER_S": 1.0}
    run = runs.request_run(scenario=scenario(rate=100, seconds=15), target=site.url, enqueue=False)
    thread = executing(run)
    wait_until(lambda: requests_so_far(run) > 50)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE perfops_sample IN ACCESS EXCLUSIVE MODE")
        wait_until(lifecycle.reap)
        assert LoadRun.objects.get(pk=run.pk).state == State.LOST
        asked = site.count
        wait_until(lambda: site.count > asked + 100)
    thread.join(PATIENCE_S)
    run.refresh_from_db()
    assert run.state == State.FINISHED, run.reasons
    assert sum(point.requests for point in selectors.series(run)) == run.summary["requests"] > 1000
