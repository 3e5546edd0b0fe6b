"""The verdict on two groups of runs; its rates of error are those of benchmarks/gate_rules.py."""

import math
import random

import pytest

from benchmarks import gate_rules
from perfops.statistics.gate import (
    MAX_PAIRS,
    Outcome,
    Series,
    against_history,
    in_turn,
    is_look,
    level,
)
from perfops.statistics.shifts import ALPHA, mann_whitney


def runs(number, factor=1.0, noise=0.02, seed="a"):
    rng = random.Random(f"{seed}{number}")
    return tuple(100 * factor * rng.gauss(1, noise) for _ in range(number))


def test_a_route_that_got_slower_fails_with_figures_and_the_others_pass():
    slower = Series("/a", "p95", runs(30), runs(5, 1.15))
    same = Series("/b", "p95", runs(30), runs(5))
    decision = against_history([same, slower])
    assert decision.outcome is Outcome.FAIL
    assert [each.series.route for each in decision.judged] == ["/a", "/b"]
    assert [each.outcome for each in decision.judged] == [Outcome.FAIL, Outcome.PASS]
    (reason,) = decision.reasons
    assert reason.startswith("p95 of /a: +1")
    assert "ms, p " in reason


def test_a_pass_says_what_it_would_have_seen():
    decision = against_history([Series("/a", "p95", runs(30), runs(5))])
    assert decision.outcome is Outcome.PASS
    assert "would have been seen in four of five cases" in decision.reasons[0]


def test_what_is_too_noisy_is_inconclusive_and_says_how_many_runs_it_takes():
    loud = Series("/a", "p95", runs(30, noise=0.3), runs(5, noise=0.3))
    decision = against_history([loud])
    assert decision.outcome is Outcome.INCONCLUSIVE
    assert "would be seen" in decision.reasons[0]
    assert decision.needed > 30


@pytest.mark.parametrize("series", [[], [Series("/a", "p95", (100.0,), (100.0,))]])
def test_nothing_to_compare_and_a_single_run_are_never_a_pass(series):
    assert against_history(series).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("place", [0, 34])
def test_a_run_whose_value_is_no_number_is_never_a_pass(value, place):
    runs = [1.0, 1.01] * 17 + [1.0]
    runs[place] = value
    series = Series("GET /", "p95", tuple(runs[:30]), tuple(runs[30:]))
    for found in (
        against_history([series]),
        in_turn([series._replace(before=series.before[:5])], is_last=True),
    ):
        assert (found.outcome, found.needed) == (Outcome.INCONCLUSIVE, None)
        assert found.reasons == ("p95 of GET /: a run has no finite value of it.",)


def test_less_than_five_percent_is_never_failed():
    exact = Series("/a", "p95", (100.0,) * 30, (104.9,) * 5)
    assert against_history([exact]).outcome is Outcome.PASS


def test_a_host_that_drifts_is_no_regression():
    rng = random.Random(3)
    drift = tuple(100 * rng.gauss(1, 0.01) * (1 + 0.004 * run) for run in range(35))
    assert (
        against_history([Series("/a", "p95", drift[:30], drift[30:])]).outcome is not Outcome.FAIL
    )
    slower = tuple(1.12 * value for value in drift[30:])
    assert against_history([Series("/a", "p95", drift[:30], slower)]).outcome is Outcome.FAIL


def test_a_host_that_sways_is_no_regression():
    rng, state, sway = random.Random(98), 0.0, []
    for _ in range(35):
        state = 0.9 * state + rng.gauss(0, 0.05)
        sway.append(100 * math.exp(state + rng.gauss(0, 0.01)))
    assert mann_whitney(sway[:30], sway[30:]) < ALPHA
    high = Series("/a", "p95", tuple(sway[:30]), tuple(sway[30:]))
    assert against_history([high]).outcome is not Outcome.FAIL


@pytest.mark.parametrize("factor", [1.15, 1.3, 2, 10])
def test_what_is_far_more_than_ten_percent_fails_too(factor):
    two_kinds = tuple(value * (1.15 if n % 3 == 0 else 1) for n, value in enumerate(runs(30)))
    after = tuple(value * (1.15 if n == 0 else 1) for n, value in enumerate(runs(5, factor)))
    decision = against_history([Series("/a", "p95", two_kinds, after)])
    assert decision.outcome is Outcome.FAIL


def test_two_builds_in_turn_end_as_soon_as_it_can_be_told():
    assert in_turn([Series("/a", "p95", runs(5), runs(5, 2.0))]) is None
    assert in_turn([Series("/a", "p95", runs(6), runs(6, 2.0))]).outcome is Outcome.FAIL
    quiet = in_turn([Series("/a", "p95", runs(6), runs(6, seed="b"))])
    assert quiet.outcome is Outcome.PASS
    loud = [runs(number, noise=0.6) for number in (6, 6, MAX_PAIRS, MAX_PAIRS)]
    assert in_turn([Series("/a", "p95", *loud[:2])]) is None
    last = in_turn([Series("/a", "p95", *loud[2:])])
    assert last.outcome is Outcome.INCONCLUSIVE
    assert last.needed > MAX_PAIRS


def test_what_may_still_be_ten_percent_is_told_as_that():
    wide = Series("/a", "p95", (100.0,) * 7 + (90.0,), (103.0,) * 7 + (112.0,))
    decision = in_turn([wide, Series("/b", "p95", (100.0,) * 8, (200.0,) * 8)])
    assert decision.outcome is Outcome.FAIL
    assert decision.judged[1].reason.endswith("but it may be 10% or more.")


@pytest.mark.parametrize("most", range(1, 41))
def test_all_looks_together_may_be_wrong_as_often_as_one_and_early_ends_too(most):
    looks = [number for number in range(1, most + 1) if is_look(number, most)]
    assert looks[-1] == most
    for ended in range(1, most + 1):
        spent = [level(number, most, is_last=False) for number in looks if number < ended]
        assert sum(spent) + level(ended, most, is_last=True) <= ALPHA + 1e-12


def test_too_few_pairs_to_prove_anything_are_inconclusive():
    decision = in_turn([Series("/a", "p95", runs(3), runs(3, 2.0))], most=3)
    assert decision.outcome is Outcome.INCONCLUSIVE
    assert "too few for any shift" in decision.reasons[0]


@pytest.mark.parametrize(
    ("rule", "noise"),
    [
        (gate_rules.ours, "two kinds of runs: 30% take 15% longer"),
        (gate_rules.ours, "drift: comes and goes (AR 0.9)"),
        (gate_rules.ours_in_turn, "normal, 4%"),
    ],
)
def test_false_alarms_are_rare_and_ten_percent_is_seen(rule, noise):
    false, _ = gate_rules.rates(rule, noise, 1.0, 200)
    power, _ = gate_rules.rates(rule, noise, gate_rules.SLOWER, 200)
    assert false <= gate_rules.MOST_FALSE
    assert power >= gate_rules.LEAST_POWER
