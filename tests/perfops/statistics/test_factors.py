"""The factor between two runs, and whether its interval is as wide as it says."""

import random

import pytest

from perfops.statistics.factors import factor, t_quantile


@pytest.mark.parametrize(
    ("p", "table"),
    [
        (0.95, {4: 2.1318, 8: 1.8595, 19: 1.7291, 38: 1.6860}),
        (0.975, {4: 2.7764, 8: 2.3060, 19: 2.0930, 38: 2.0244}),
        (0.999, {4: 7.1732, 8: 4.5008, 19: 3.5794, 38: 3.3190}),
    ],
)
def test_students_t_is_that_of_the_tables(p, table):
    for freedom, known in table.items():
        assert t_quantile(p, freedom) == pytest.approx(known, rel=0.04)


@pytest.mark.parametrize(("truth", "spread"), [(1.0, (0.2, 0.2)), (1.8, (0.1, 0.5))])
def test_the_interval_covers_the_truth_in_ninety_five_of_a_hundred_pairs(truth, spread):
    noise = random.Random(4)
    covered = 0
    for _ in range(1000):
        sides = [[noise.gauss(0, each) for _ in range(20)] for each in spread]
        before, after = (2.718281828 ** (sum(side) / 20) for side in sides)
        found = factor(before, truth * after, logs_before=sides[0], logs_after=sides[1])
        covered += found.low <= truth <= found.high
    assert 930 <= covered <= 970


def test_few_stretches_give_no_interval_and_several_factors_wider_ones():
    alone = factor(10, 20, logs_before=[1.0] * 4, logs_after=[1.0] * 20)
    assert (alone.value, alone.low, alone.is_beyond(0.05)) == (2.0, None, False)
    logs = [0.0, 0.1] * 10
    one, many = (factor(1, 1, logs_before=logs, logs_after=logs, together=n) for n in (1, 20))
    assert many.low < one.low < 1 < one.high < many.high
    with pytest.raises(ValueError, match="above 0"):
        factor(0, 1, logs_before=logs, logs_after=logs)
