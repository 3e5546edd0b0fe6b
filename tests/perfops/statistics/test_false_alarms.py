"""False alarms and misses from recorded pairs: drawn again, with an interval of those there are."""

import random

import pytest

from perfops.statistics import false_alarms
from perfops.statistics.gate import Outcome


def pairs(number, factor=1.0, noise=0.01):
    draw = random.Random(number)
    key = ("/a", "p50")
    return [
        ({key: 100 * draw.gauss(1, noise)}, {key: 100 * factor * draw.gauss(1, noise)})
        for _ in range(number)
    ]


def test_the_same_build_is_rarely_failed_and_a_much_slower_one_always():
    assert false_alarms.false_alarms(pairs(16), verdicts=20).count == 0
    assert false_alarms.misses(pairs(16, 1.5), verdicts=20).count == 0
    assert false_alarms.misses(pairs(16), verdicts=20).count == 20
    assert false_alarms.verdict(pairs(12, 1.5)) is Outcome.FAIL


def test_the_interval_is_that_of_the_pairs_there_are_and_not_of_the_verdicts_drawn_from_them():
    found = false_alarms.false_alarms(pairs(12), verdicts=20)
    assert (found.low, found.verdicts) == (0.0, 20)
    assert found.high == pytest.approx(false_alarms.wilson(0, 1)[1])
    assert found.high > 0.5


def test_wilson_as_in_newcombe_1998():
    low, high = false_alarms.wilson(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert false_alarms.wilson(0, 0) == (0.0, 1.0)


def test_the_smallest_effect_grows_with_the_noise():
    quiet = false_alarms.smallest_effect(pairs(12, noise=0.005))
    loud = false_alarms.smallest_effect(pairs(12, noise=0.1))
    assert quiet < (loud or 2.0)


def test_too_few_pairs_say_nothing():
    found = false_alarms.false_alarms(pairs(5))
    assert (found.verdicts, found.low, found.high) == (0, 0.0, 1.0)
