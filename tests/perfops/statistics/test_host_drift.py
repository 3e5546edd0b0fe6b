"""What is left of a shift after the host's drift, against references."""

import math
import random
from importlib import import_module

import pytest

from perfops.statistics.host_drift import lasting, rises, without_sway, without_trend


def swaying(count, seed, step=0.03):
    """Runs of a host whose state keeps nine tenths of itself from run to run."""
    rng, state, runs = random.Random(seed), 0.0, []
    for _ in range(count):
        state = 0.9 * state + rng.gauss(0, step)
        runs.append(100 * math.exp(state + rng.gauss(0, 0.01)))
    return runs


def steady(count, seed, noise=0.02):
    rng = random.Random(seed)
    return [100 * rng.gauss(1, noise) for _ in range(count)]


@pytest.mark.parametrize("seed", range(6))
def test_a_trend_is_told_as_scipys_kendall_tells_it(seed):
    runs = steady(30, seed)
    tau = import_module("scipy.stats").kendalltau(range(30), runs, method="asymptotic")
    one_sided = tau.pvalue / 2 if tau.statistic > 0 else 1 - tau.pvalue / 2
    assert rises(runs) == (one_sided < 0.1)


def test_what_a_trend_explains_is_no_shift_and_what_comes_on_top_is():
    line = [100 + run for run in range(35)]
    assert rises(line[:30])
    assert without_trend(line[:30], line[30:]) == pytest.approx(0)
    assert lasting(line[:30], [1.1 * run for run in line[30:]]) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("seed", range(4))
def test_the_shift_beside_a_sway_is_that_of_generalised_least_squares(seed):
    numpy = import_module("numpy")
    old, new = swaying(30, f"s{seed}"), swaying(5, f"t{seed}")
    old = [min(max(run, 92), 108) for run in old]
    runs = []
    for side in ([math.log(run) for run in old], [math.log(run) for run in new]):
        middle = numpy.median(side)
        history = [math.log(run) for run in old]
        spread = 3 * 1.4826 * numpy.median(numpy.abs(history - numpy.median(history)))
        runs += list(numpy.clip(side, middle - spread, middle + spread))
    places = numpy.arange(35)
    covariance = numpy.eye(35) + 0.25 / (1 - 0.81) * 0.9 ** abs(places[:, None] - places)
    inverse = numpy.linalg.inv(covariance)
    design = numpy.c_[numpy.ones(35), places >= 30]
    spread_of_both = numpy.linalg.inv(design.T @ inverse @ design)
    both = spread_of_both @ design.T @ inverse @ runs
    rest = runs - design @ both
    error = math.sqrt(rest @ inverse @ rest / 33 * spread_of_both[1, 1])
    assert without_sway(old, new) == pytest.approx(math.expm1(both[1] - 0.4 * error))


def test_a_host_that_sways_is_told_from_one_that_is_steady():
    assert math.isfinite(without_sway(swaying(30, "a"), swaying(5, "b")))
    assert without_sway(steady(30, "a"), steady(5, "b")) == math.inf


@pytest.mark.parametrize("history", [[100.0] * 30, [100.0], steady(9, 1)])
def test_what_shows_no_noise_or_has_few_runs_shows_no_sway(history):
    assert without_sway(history, [110.0] * 5) == math.inf


@pytest.mark.parametrize("seed", range(6))
def test_odd_runs_at_the_end_of_a_history_excuse_no_shift_after_it(seed):
    # An hour in which a neighbour was busy, and then 10% more.
    old = [*steady(27, f"o{seed}"), 300.0, 310.0, 290.0]
    new = [1.1 * run for run in steady(5, f"n{seed}")]
    assert lasting(old, new) >= 0.95 * lasting(old[:27], new)
