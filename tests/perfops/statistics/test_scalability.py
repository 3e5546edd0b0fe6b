"""The Universal Scalability Law against simulated systems whose coefficients are known."""

import random

import pytest

from perfops.statistics.scalability import Point, fit, knee_of, points


def seconds_of(law, most, *, noise, seed, count=600):
    """A ramp of concurrency: each second's concurrency and rate, with this relative noise."""
    rate, contention, coherency = law
    chance = random.Random(seed)
    for second in range(count):
        n = 1 + (most - 1) * second / count
        x = rate * n / (1 + contention * (n - 1) + coherency * n * (n - 1))
        x *= 1 + chance.gauss(0, noise)
        yield n * (1 + chance.gauss(0, noise)), x


@pytest.mark.parametrize(
    ("law", "most"),
    [
        ((100.0, 0.02, 0.0005), 120),
        ((20.0, 0.1, 0.002), 60),
        ((995.0, 0.027, 0.000145), 200),
        ((50.0, 0.0, 0.001), 80),
    ],
)
def test_the_knee_of_a_known_system_is_found_within_a_tenth(law, most):
    truth, covered = knee_of(law), 0
    for seed in range(5):
        found = fit(points(list(seconds_of(law, most, noise=0.05, seed=seed))))
        knee, low, high = found.knee
        assert knee == pytest.approx(truth, rel=0.1)
        assert found.peak[0] == pytest.approx(found.throughput(truth), rel=0.05)
        covered += low <= truth <= high
    assert covered >= 3


@pytest.mark.parametrize("law", [(100.0, 0.0, 0.0), (100.0, 0.05, 0.0), (100.0, 0.3, 0.0)])
def test_there_is_no_knee_where_there_is_none(law):
    for seed in range(5):
        found = fit(points(list(seconds_of(law, 150, noise=0.05, seed=seed))))
        assert found.knee is None
        assert found.contention[0] == pytest.approx(law[1], abs=0.05)


def test_a_knee_beyond_what_was_measured_is_none():
    law = (100.0, 0.02, 0.0005)
    assert fit(points(list(seconds_of(law, 15, noise=0.05, seed=1)))).knee is None


def test_a_run_at_one_rate_shows_no_curve():
    assert fit(points([(10.0, 100.0)] * 60)) is None
    assert fit([Point(n, 10.0 * n) for n in range(1, 5)]) is None
    assert points([(0.0, 5.0), (10.0, 0.0)]) == []


def test_a_run_at_one_rate_whose_server_stood_still_for_seconds_shows_no_curve():
    # Most answers in the seconds after: many requests at work, and throughput of any size.
    stalls = [9, 160, 20, 170, 8, 150, 30, 165, 12, 140]
    measured = [Point(40.0 * n, float(x)) for n, x in enumerate(stalls, start=1)]
    assert fit([Point(n, 160.0) for n in (1, 2, 3)] + measured) is None
