"""Change points: against scipy and published tables, and the rates of wrong ones."""

import random
from importlib import import_module

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfops.statistics.changes import MIN_RUNS, chance, change_points, strongest

# Upper tails of the supremum of the standardised statistic squared: Andrews, "Tests for parameter
# instability ... a corrigendum", Econometrica 71 (2003), table 1, one parameter, pi_0 = 0.15.
ANDREWS = {8.68: 0.05, 12.16: 0.01}
# E-divisive means with permutations on the same series: signal-processing-algorithms 2.1.6
# (MongoDB's), e_divisive(series, pvalue=0.01, permutations=199).
STEPS = {
    0: ((100,), []),
    1: ((100, 110), [30]),
    2: ((100, 130, 100), [30, 60]),
    3: ((200, 180), [30]),
    4: ((100, 120, 150, 100), [30, 60, 90]),
}


def noisy(rng, *levels, runs=30):
    return [level * rng.lognormvariate(0, 0.04) for level in levels for _ in range(runs)]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 30).map(float), min_size=2 * MIN_RUNS, max_size=25))
def test_the_strongest_place_is_that_of_scipys_rank_tests(values):
    stats = import_module("scipy.stats")
    place, z = strongest(values)
    if len({*values}) == 1:
        assert (place, z) == (0, 0.0)
        return
    of = {}
    for here in range(MIN_RUNS, len(values) - MIN_RUNS + 1):
        test = stats.mannwhitneyu(
            values[here:], values[:here], method="asymptotic", use_continuity=False
        )
        of[here] = stats.norm.isf(test.pvalue / 2)
    assert abs(z) == pytest.approx(max(of.values()), abs=1e-6)
    assert of.get(place, 0.0) == pytest.approx(abs(z), abs=1e-6)


@pytest.mark.parametrize(("square", "expected"), ANDREWS.items())
def test_the_chance_of_the_greatest_is_the_published_one(square, expected):
    assert expected <= chance(square**0.5, 0.15) <= 1.15 * expected


@pytest.mark.parametrize("seed", STEPS)
def test_steps_are_where_another_method_finds_them(seed):
    levels, elsewhere = STEPS[seed]
    found = [each.place for each in change_points(noisy(random.Random(seed), *levels))]
    assert len(found) == len(elsewhere)
    for ours, theirs in zip(found, elsewhere, strict=True):
        assert abs(ours - theirs) <= 1


@given(st.floats(-1e6, 1e6), st.integers(0, 60))
def test_what_is_constant_has_no_change(value, runs):
    assert change_points([value] * runs) == []


def test_noise_has_changes_no_more_often_than_stated():
    rng = random.Random(7)
    wrong = sum(bool(change_points(noisy(rng, 100), min_effect=0)) for _ in range(1000))
    # 1% is stated; three standard deviations of a thousand series are another 0.9%.
    assert wrong <= 19


@given(st.integers(10, 60), st.integers(10, 60), st.floats(1.2, 9), st.booleans())
def test_a_clear_step_is_found_at_its_place(before, after, factor, faster):
    rng = random.Random(before * 100 + after)
    levels = (factor, 1.0) if faster else (1.0, factor)
    values = [
        100 * level * rng.uniform(0.98, 1.02)
        for level, runs in zip(levels, (before, after), strict=True)
        for _ in range(runs)
    ]
    found = change_points(values)
    assert [each.place for each in found] == [before]
    assert (found[0].effect < 0) is faster


def test_five_new_runs_that_take_longer_are_seen_and_an_outlier_is_not():
    rng = random.Random(3)
    history = noisy(rng, 100, runs=60)
    assert [e.place for e in change_points([*history, *noisy(rng, 150, runs=5)])] == [60]
    assert change_points([*history, 9000.0, *noisy(rng, 100, runs=20)]) == []
    assert change_points(noisy(rng, 100, 103)) == []
