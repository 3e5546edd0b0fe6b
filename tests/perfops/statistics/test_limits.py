"""The limit found for simulated servers whose limit is known in closed form."""

import math

import numpy as np
import pytest

from perfops.statistics import limits
from perfops.statistics.limits import Hold, Limit, estimate, is_growing

HOLD_S, SKIPPED_S, WINDOW_S, AHEAD_S = 21, 3, 3, 60


class Queue:
    """Evenly spaced arrivals, exponential service by one server (D/M/1): its response times are
    exponential with mean 1 / (rate (1 - s)), s = exp(-rate (1 - s) / arrivals).

    From hold to hold its speed differs by ``noise`` (lognormal), as that of a shared machine does.
    """

    def __init__(self, rate, bound_s, noise, seed):
        self.rate, self.bound_s, self.noise = rate, bound_s, noise
        self.draw = np.random.default_rng(seed)
        self.holds = 0

    @property
    def limit(self):
        """The arrivals per second whose p95 is the bound."""
        busy = 1 - math.log(20) / self.bound_s / self.rate
        return -self.rate * (1 - busy) / math.log(busy)

    def hold(self, arrivals, seconds=HOLD_S, skipped=SKIPPED_S):
        self.holds += 1
        speed = self.rate * math.exp(self.draw.normal(0, self.noise))
        arrived = np.arange(int(arrivals * seconds)) / arrivals
        served = self.draw.exponential(1 / speed, len(arrived))
        # Each is done after the longest of: any request before it that found the server free, and
        # all service since then.
        busy = np.cumsum(served)
        took = busy + np.maximum.accumulate(arrived - busy + served) - arrived
        judged = took[int(arrivals * skipped) :]
        size = int(arrivals * WINDOW_S)
        windows = [p95(judged[at : at + size]) for at in range(0, len(judged) - size + 1, size)]
        if p95(judged) >= self.bound_s:
            return False
        return not is_growing(windows, self.bound_s, AHEAD_S / WINDOW_S)

    def find(self):
        rate, ramp = self.rate * self.draw.uniform(0.1, 0.2), []
        while not ramp or ramp[-1].within:
            ramp.append(Hold(rate, self.hold(rate, WINDOW_S, 0)))
            rate *= 1.4
        holds = limits.search(self.hold, ramp, ceiling=10 * self.rate, may_go_on=lambda: True)
        return estimate(holds)


def p95(values):
    at = math.ceil(0.95 * len(values)) - 1
    return float(np.partition(values, at)[at])


def outcomes(rate, bound_s, noise, runs):
    near = covered = 0
    for seed in range(runs):
        queue = Queue(rate, bound_s, noise, seed)
        found = queue.find()
        near += abs(found.rate / queue.limit - 1) < 0.05
        covered += found.low <= queue.limit <= found.high
        assert queue.holds < 40
    return near, covered


def test_the_limit_of_a_known_queue_is_found():
    near, covered = outcomes(150, 0.1, 0.02, 4)
    assert (near, covered) >= (3, 3)


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "bound_s"), [(300, 0.3), (300, 0.05)])
def test_it_is_within_5_percent_and_its_interval_covers_the_truth_in_93_of_100(rate, bound_s):
    near, covered = outcomes(rate, bound_s, 0.02, 100)
    assert near >= 93
    assert covered >= 93


def test_a_limit_that_was_not_reached_or_not_kept_is_open():
    above = estimate([Hold(100, True), Hold(140, True)])
    assert above == Limit(140, 140, None, None)
    assert "above 140" in above.sentence()
    below = estimate([Hold(8, False), Hold(4, False)])
    assert below == Limit(None, None, 4, None)
    assert "not even 4.0" in below.sentence()
    assert math.isinf(above.precision)
    assert Limit.from_row(above.as_row()) == above


def test_a_search_goes_to_the_ceiling_and_tries_it_twice():
    tried = []
    holds = limits.search(
        lambda rate: not tried.append(rate), [Hold(100, True)], ceiling=500, may_go_on=lambda: True
    )
    assert tried == [500, 500]
    assert estimate(holds).rate == 500


def test_a_search_steps_back_until_something_holds():
    holds = limits.search(
        lambda rate: rate < 30, [Hold(200, False)], ceiling=500, may_go_on=lambda: True
    )
    found = estimate(holds)
    assert found.low < 30 < found.high
    assert found.rate == pytest.approx(30, rel=0.05)


def test_what_could_not_be_told_counts_for_nothing_and_an_end_is_one():
    holds = limits.search(lambda _: None, [Hold(1, True)], ceiling=5, may_go_on=lambda: True)
    assert holds == [Hold(1, True)]
    holds = limits.search(lambda _: True, [Hold(1, True)], ceiling=5, may_go_on=lambda: False)
    assert holds == [Hold(1, True)]


@pytest.mark.parametrize(
    ("values", "grows"),
    [
        ([10, 20, 30, 40, 50, 60], True),
        ([10, 11, 12, 13, 14, 15], False),
        ([60, 50, 40, 30, 20, 10], False),
        ([50, 20, 60, 10, 55, 30], False),
        ([10, 90], False),
    ],
)
def test_a_queue_that_grows_breaks_its_bound_later(values, grows):
    assert is_growing(values, 100, 20) is grows
