"""The test of scores: exact, and what it sees that ranks don't."""

import random
from itertools import combinations

import pytest

from perfops.statistics.score_test import logarithms, score_test
from perfops.statistics.shifts import ALPHA, mann_whitney


def kinds(count, factor, seed):
    """Runs of two kinds: three in ten take 15% longer."""
    rng = random.Random(seed)
    return [
        100 * factor * rng.gauss(1, 0.02) * (1.15 if number % 10 < 3 else 1)
        for number in range(count)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_the_p_values_of_all_choices_of_runs_are_uniform(seed):
    rng = random.Random(seed)
    runs = [rng.lognormvariate(0, 0.1) for _ in range(8)]
    found = [
        score_test([run for n, run in enumerate(runs) if n not in new], [runs[n] for n in new])
        for new in combinations(range(8), 3)
    ]
    for p in {*found}:
        assert sum(each <= p for each in found) / len(found) == pytest.approx(p)


def test_ten_percent_is_seen_among_runs_of_two_kinds_where_ranks_see_none():
    before, after = kinds(30, 1.0, "old"), kinds(8, 1.1, "new")[3:]
    assert mann_whitney(before, after) > ALPHA
    assert score_test(before, after) < ALPHA


def test_the_scale_of_the_times_does_not_matter():
    before, after = kinds(30, 1.0, "old"), kinds(8, 1.1, "new")[3:]
    seconds = [[value / 1000 for value in side] for side in (before, after)]
    assert score_test(*seconds) == pytest.approx(score_test(before, after), rel=0.05)


def test_runs_of_no_time_and_equal_runs_are_no_error():
    assert logarithms([0.0, 1.0])[1] == 0
    assert score_test([0.0] * 10, [0.0] * 5) == 1
    assert score_test([100.0] * 10, [100.0] * 5) == 1
