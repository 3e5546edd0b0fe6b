"""Shifts between runs: exact tests against a reference, and the rates of wrong verdicts."""

import random
from importlib import import_module
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfops.statistics.shifts import ALPHA, MIN_EFFECT, holm, mann_whitney, shift


def reference():
    """scipy's: here, for to import it takes 3 s that all other tests would wait for."""
    return import_module("scipy.stats")


groups = st.lists(st.floats(1, 1000).map(lambda x: round(x, 3)), min_size=1, max_size=9)


@settings(max_examples=60, deadline=None)
@given(groups, groups)
def test_the_p_value_is_scipys_exact_one(before, after):
    if len({*before, *after}) < len(before) + len(after):
        return
    expected = reference().mannwhitneyu(after, before, alternative="greater", method="exact").pvalue
    assert mann_whitney(before, after) == pytest.approx(expected)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=2, max_size=5),
    st.lists(st.integers(1, 4), min_size=2, max_size=5),
)
def test_with_ties_it_is_the_share_of_all_permutations(before, after):
    def rank_sum(x, y, axis=-1):
        return reference().rankdata([*x, *y])[: len(x)].sum()

    found = reference().permutation_test(
        (after, before), rank_sum, vectorized=False, alternative="greater", n_resamples=10**6
    )
    assert mann_whitney(before, after) == pytest.approx(found.pvalue)


def test_five_percent_slower_runs_are_seen_with_their_effect_and_interval():
    noise = random.Random(1)
    before = [100 * noise.gauss(1, 0.02) for _ in range(30)]
    after = [120 * noise.gauss(1, 0.02) for _ in range(5)]
    found = shift(before, after, lower_is_better=True)
    assert found.p < ALPHA
    assert found.low <= found.effect <= found.high
    assert found.effect == pytest.approx(0.2, abs=0.04)
    assert found.low > MIN_EFFECT
    assert 0 < found.detectable < 0.1
    better = shift(before, after, lower_is_better=False)
    assert better.effect == pytest.approx(-found.effect)
    assert better.p > 0.9


def test_one_run_can_not_prove_anything_and_says_so():
    found = shift([100.0] * 10, [200.0], lower_is_better=True)
    assert found.best_p == pytest.approx(1 / 11)
    assert found.p >= found.best_p > ALPHA


@given(st.dictionaries(st.text(), st.floats(0, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_never_lowers_a_p_value(p_values):
    adjusted = holm(p_values)
    smallest = min(p_values.values())
    assert min(adjusted.values()) == pytest.approx(min(1, smallest * len(p_values)))
    assert all(adjusted[name] >= p_values[name] for name in p_values)
    assert max(adjusted.values()) >= max(p_values.values())


@settings(max_examples=30, deadline=None)
@given(groups, groups)
def test_the_effect_is_the_median_of_all_pairwise_differences(before, after):
    found = shift(before, after, lower_is_better=True)
    true = median(b - a for a in before for b in after) / median(before)
    assert found.effect == pytest.approx(true, abs=1e-9)
    assert found.low <= found.effect + 1e-9 <= found.high + 2e-9
