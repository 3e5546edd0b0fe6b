"""Valid before good, in numbers; and budgets held against what was measured."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfops.budgets import selectors, verdicts
from perfops.budgets import services as budgets
from perfops.budgets.metrics import registry
from perfops.load import validity as judge
from perfops.load.summary import SUSTAINED_S, Summary, sustained
from perfops.models import Budget, LoadRun, RouteResult

LIMITS = judge.Limits(min_achieved=0.99, max_generator_cpu=0.8, cores=2)
LATENCY = {"mean": 5.0, "p50": 4.0, "p90": 8.0, "p95": 10.0, "p99": 20.0, "max": 50.0}
GOOD = Summary(
    requests=5000, errors=0, unreachable=0, unanswered=0, error_rate=0.0, offered=5000.0,
    achieved=1.0, dropped=0,
    throughput=1200.0, offered_rate=1500.0, duration_s=50.0, latency_ms=LATENCY,
    intended_latency_ms=LATENCY, cache_hits=90, cache_misses=10, cache_hit_rate=0.9,
    generator_cpu=0.5, generator_lag_ms=1.0, peak_vus=10, k6_exit_code=0,
)  # fmt: skip


def validity_errors(seeks_limit=False, **changes):
    return judge.validity_errors(
        dataclasses.replace(GOOD, **changes), LIMITS, seeks_limit=seeks_limit
    )


def test_a_good_run_is_valid():
    assert not validity_errors()


def test_a_crossed_threshold_of_k6_is_not_its_validity():
    assert not validity_errors(k6_exit_code=99)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"dropped": 1}, "1 iterations were dropped"),
        ({"achieved": 0.98}, "Only 98.0%"),
        ({"requests": 999}, "too few for a p99"),
        ({"generator_cpu": 1.7}, "starved"),
        ({"unreachable": 2500}, "could not be reached"),
        ({"requests": 0}, "No request was sent"),
        ({"k6_exit_code": 103}, "exit code 103"),
        ({"k6_exit_code": -9}, "was killed (SIGKILL)"),
        ({"k6_exit_code": 105}, "somebody's signal"),
    ],
)
def test_each_flaw_is_named(changes, says):
    assert any(says in reason for reason in validity_errors(**changes).reasons)


def test_stress_may_drop_iterations_but_not_lose_its_target():
    assert not validity_errors(seeks_limit=True, dropped=500, achieved=0.5)
    assert validity_errors(seeks_limit=True, unreachable=4000)


@given(st.lists(st.integers(0, 2000), max_size=100))
def test_what_was_held_lies_between_the_mean_and_the_best_second(per_second):
    held = sustained(per_second)
    assert held <= max(per_second, default=0)
    assert held >= sum(per_second) / max(1, len(per_second)) - 1e-9 or len(per_second) > SUSTAINED_S


def test_a_ramp_does_not_lower_what_was_held():
    assert sustained([*range(0, 1000, 10), *([1000] * 30), *range(1000, 0, -10)]) == 1000
    assert sustained([]) == 0


def run_with(**changes):
    held = changes.pop("sustained_throughput", 1200.0)
    summary = dataclasses.replace(GOOD, **changes).as_row() | {"sustained_throughput": held}
    return LoadRun.objects.create(
        scenario="api-load", target="http://127.0.0.1:1", state="finished", summary=summary,
        server={"db_cache_hit_rate": 0.99},
    )  # fmt: skip


@pytest.mark.django_db
def test_there_are_the_six_budgets_of_the_design():
    rows = Budget.objects.order_by("id").values_list("metric", "target", "threshold", "action")
    assert list(rows) == [
        ("latency_p95", 300, 500, "fail"),
        ("latency_p99", 500, 1000, "warn"),
        ("error_rate", 0.01, 0.05, "fail"),
        ("cache_hit_rate", 0.85, 0.70, "alert"),
        ("db_cache_hit_rate", 0.95, 0.90, "alert"),
        ("throughput", 1000, 500, "warn"),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("metric", "changes", "outcome"),
    [
        ("latency_p95", {"intended_latency_ms": {**LATENCY, "p95": 299.9}}, "met"),
        ("latency_p95", {"intended_latency_ms": {**LATENCY, "p95": 300.0}}, "near"),
        ("latency_p95", {"intended_latency_ms": {**LATENCY, "p95": 500.0}}, "violated"),
        ("latency_p99", {"intended_latency_ms": {**LATENCY, "p99": 1200.0}}, "violated"),
        ("error_rate", {"error_rate": 0.02}, "near"),
        ("cache_hit_rate", {"cache_hit_rate": 0.86}, "met"),
        ("cache_hit_rate", {"cache_hit_rate": 0.70}, "violated"),
        ("cache_hit_rate", {"cache_hit_rate": None}, "unknown"),
        ("db_cache_hit_rate", {}, "met"),
        ("throughput", {"sustained_throughput": 700.0}, "near"),
        ("throughput", {"offered_rate": 100.0}, "unknown"),
        ("throughput", {"sustained_throughput": 400.0, "offered_rate": 1000.0}, "violated"),
    ],
)
def test_a_budget_tells_met_near_violated_and_unknown_apart(metric, changes, outcome):
    run = run_with(**changes)
    found = {e.budget.metric: e for e in budgets.evaluate(run)}[metric]
    assert found.outcome == outcome
    assert bool(found.reason) == (outcome == "unknown")


@pytest.mark.django_db
def test_a_budget_of_one_route_reads_that_route():
    Budget.objects.create(metric="latency_p95", route="/a", target=1, threshold=2, action="fail")
    run = run_with()
    RouteResult.objects.create(run=run, route="/a", requests=300, scheduled_p95_ms=5.0)
    found = {str(e.budget): e for e in budgets.evaluate(run)}
    assert found["p95 latency of /a"].outcome == "violated"
    assert found["p95 latency"].outcome == "met"


@pytest.mark.django_db
def test_a_threshold_counts_even_where_a_target_was_left_behind_it():
    Budget.objects.filter(metric="latency_p95").update(target=300, threshold=2)
    found = {e.budget.metric: e for e in budgets.evaluate(run_with())}
    assert found["latency_p95"].outcome == "violated"


@pytest.mark.django_db
def test_judging_again_replaces_and_follows_changed_budgets():
    run = run_with()
    budgets.evaluate(run)
    Budget.objects.filter(metric="latency_p95").update(target=1, threshold=2)
    budgets.evaluate(run)
    assert run.evaluations.count() == 6
    assert run.evaluations.get(budget__metric="latency_p95").outcome == "violated"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "pass"),
        ({"intended_latency_ms": {**LATENCY, "p99": 2000.0}}, "warn"),
        ({"cache_hit_rate": 0.1}, "warn"),
        ({"intended_latency_ms": {**LATENCY, "p95": 600.0}}, "fail"),
        ({"error_rate": 0.5}, "fail"),
        ({"error_rate": None}, "invalid"),
    ],
)
def test_the_verdict_follows_the_gravest_budget(changes, verdict):
    found, reasons = verdicts.decide(run_with(**changes), judge.VALID, judged=True)
    assert found == verdict
    assert reasons


@pytest.mark.django_db
def test_a_run_that_is_not_valid_fails_for_what_it_proved_and_is_invalid_otherwise():
    errors = judge.ValidityErrors(("303 iterations were dropped.",))
    slow = run_with(intended_latency_ms={**LATENCY, "p95": 1163.0})
    verdict, reasons = verdicts.decide(slow, errors, judged=True)
    assert verdict == "fail"
    assert reasons == ["p95 latency is 1.2 s; it must be < 500 ms.", *errors.reasons]
    assert verdicts.decide(run_with(error_rate=0.9), errors, judged=True)[0] == "fail"
    assert verdicts.decide(run_with(), errors, judged=True) == ("invalid", list(errors.reasons))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"generator_cpu": 1.9}, "invalid"),
        ({"generator_lag_ms": 400.0}, "invalid"),
        ({"generator_lag_ms": 400.0, "error_rate": 0.5}, "fail"),
        ({"dropped": 5}, "fail"),
    ],
)
def test_a_slow_generator_proves_no_latency_but_errors(changes, verdict):
    summary = {"intended_latency_ms": {**LATENCY, "p95": 1163.0}, **changes}
    found, reasons = verdicts.decide(run_with(**summary), validity_errors(**summary), judged=True)
    assert found == verdict
    assert all(reasons)


@pytest.mark.django_db
def test_that_a_violation_is_not_proved_is_said_beside_other_errors():
    summary = {
        "intended_latency_ms": {**LATENCY, "p95": 1163.0}, "generator_lag_ms": 400.0,
        "requests": 699,
    }  # fmt: skip
    found, reasons = verdicts.decide(run_with(**summary), validity_errors(**summary), judged=True)
    assert found == "invalid"
    assert [reason.partition(":")[0] for reason in reasons] == [
        "The generator was late", "699 requests are too few for a p99",
    ]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("unreachable", [5000, 2600])
def test_a_dead_server_never_passes(unreachable):
    changes = {"unreachable": unreachable, "error_rate": unreachable / 5000, "errors": unreachable}
    errors = validity_errors(**changes)
    verdict, _ = verdicts.decide(run_with(**changes), errors, judged=True)
    assert verdict == ("invalid" if unreachable == 5000 else "fail")
    Budget.objects.exclude(metric="throughput").update(enabled=False)
    assert verdicts.decide(run_with(**changes), errors, judged=True)[0] == "invalid"


def test_connections_that_break_in_a_run_that_began_well_are_the_servers_errors():
    assert not validity_errors(unreachable=40, errors=40, error_rate=0.008)


@pytest.mark.django_db
def test_a_route_with_too_few_requests_has_no_percentile():
    Budget.objects.create(metric="latency_p99", route="/a", target=1, threshold=2, action="fail")
    run = run_with()
    RouteResult.objects.create(run=run, route="/a", requests=12, scheduled_p99_ms=900.0)
    found = {str(e.budget): e for e in budgets.evaluate(run)}["p99 latency of /a"]
    assert (found.outcome, found.value) == ("unknown", None)
    assert found.reason == "12 requests are too few for a p99: it takes 1,000."


@pytest.mark.django_db
def test_budgets_judge_the_response_time_from_the_scheduled_start():
    run = run_with(latency_ms={**LATENCY, "p95": 5.0}, intended_latency_ms={**LATENCY, "p95": 900})
    found = {e.budget.metric: e for e in budgets.evaluate(run)}["latency_p95"]
    assert (found.outcome, found.value) == ("violated", 900)


@pytest.mark.django_db
def test_throughput_counts_expected_answers_only():
    run = run_with()
    budget = Budget(metric="throughput", route="/a", target=50, threshold=20)
    result = RouteResult(run=run, route="/a", requests=5000, errors=4900)
    assert budgets.read(budget, run, {"/a": result}).value == 100 / 50


@pytest.mark.django_db
def test_a_budget_of_a_metric_that_is_not_installed_can_not_tell():
    Budget.objects.create(metric="gone", target=1, threshold=2, action="warn")
    found = {e.budget.metric: e for e in budgets.evaluate(run_with())}["gone"]
    assert (found.outcome, found.reason) == (
        "unknown", "No installed package has the metric gone.",
    )  # fmt: skip


@pytest.mark.django_db
def test_without_a_budget_nothing_passes():
    Budget.objects.update(enabled=False)
    assert verdicts.decide(run_with(), judge.VALID, judged=True)[0] == "invalid"


@pytest.mark.django_db
def test_history_is_oldest_first_and_takes_two_queries(django_assert_num_queries):
    budget = Budget.objects.get(metric="latency_p95")
    ids = []
    for _ in range(3):
        run = run_with()
        budgets.evaluate(run)
        ids.append(run.pk)
    with django_assert_num_queries(2):
        assert [each.run_id for each in selectors.history(budget, limit=2)] == ids[1:]


@given(st.sampled_from(sorted(registry.every())), st.floats(0.001, 1e6), st.floats(0.001, 1e6))
def test_the_margin_is_negative_exactly_where_the_bound_does_not_hold(metric, value, threshold):
    measure = registry.every()[metric]
    margin = measure.margin(value, threshold)
    assert (margin > 0) == measure.holds(value, threshold) or margin == 0
