"""Growth of generated histories: its interval holds the truth, and short ones are refused."""

import math
import random
from itertools import accumulate

import pytest

from perfops.statistics.growth import Growth, TooShort, growth

DAYS = range(180)


def steady(draw):
    """A line, with readings that scatter."""
    return [(day, 1000 + 10 * day + draw.gauss(0, 30)) for day in DAYS]


def uneven(draw):
    """What is added each day varies as much as its mean: sums of two days are alike."""
    added = accumulate(draw.expovariate(1 / 10) for _ in DAYS)
    return list(zip(DAYS, added, strict=True))


def weekly(draw):
    """Nothing at weekends; every third reading is missing."""
    added = accumulate(14 * draw.uniform(0.5, 1.5) * (day % 7 < 5) for day in DAYS)
    points = list(zip(DAYS, added, strict=True))
    return [point for place, point in enumerate(points) if place % 3]


@pytest.mark.parametrize("history", [steady, uneven, weekly])
def test_the_interval_holds_the_true_pace_in_about_95_of_100_histories(history):
    draw = random.Random(1)
    found = [growth(history(draw)) for _ in range(600)]
    held = sum(each.low <= 10 <= each.high for each in found)
    assert held >= 0.92 * len(found)
    # It also says something: a pace of 10 is no pace of 20.
    assert sum(each.high < 20 for each in found) >= 0.9 * len(found)


def test_what_does_not_grow_is_not_said_to():
    draw = random.Random(7)
    flat = [growth([(day, 1000 + draw.gauss(0, 30)) for day in DAYS]) for _ in range(300)]
    assert sum(each.low > 0 or each.high < 0 for each in flat) <= 0.08 * len(flat)


def test_a_table_that_somebody_emptied_widens_the_interval():
    points = [(day, 10.0 * day - 600 * (day >= 90)) for day in DAYS]
    found = growth(points)
    assert found.low < found.per_day < 10 < found.high


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([], "0 days"),
        ([(0, 1.0)], "0 days"),
        ([(day, 1.0) for day in range(41)], "40 days of readings, and 42 are the least"),
        ([(day, 1.0) for day in DAYS if not 30 < day < 90], "missing for more than 14 days"),
    ],
)
def test_a_history_that_is_too_short_or_has_gaps_says_so(points, said):
    with pytest.raises(TooShort, match=said):
        growth(points)


def test_days_to_a_limit_are_those_of_the_pace_and_of_its_ends():
    assert Growth(10, 5, 20).days_to(100) == (10, 5, 20)
    assert Growth(10, -5, 20).days_to(100) == (10, 5, math.inf)
    assert Growth(-1, -5, -0.5).days_to(100) == (math.inf,) * 3
    assert Growth(-1, -5, -0.5).days_to(0) == (0, 0, 0)
