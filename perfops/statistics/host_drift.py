"""What is left of a shift after the host's own drift is allowed for: a trend, or a sway.

Tests of runs take them as independent of each other. Thirty runs of a host that is slow for ten of
them and fast for the next ten are worth far fewer.
"""

import math
from collections.abc import Sequence
from itertools import combinations
from statistics import median

from perfops.statistics.score_test import logarithms
from perfops.statistics.shifts import deviation

# The history has a trend where as many pairs of its runs rise by chance once in ten times.
_TREND = 1.28
# The sway that is allowed for: what a run keeps of the state of the one before it, and the variance
# of what is new in it, as a share of that of a run's own noise.
_KEEPS, _NEW = 0.9, 0.25
# Allowed for unless a steady host explains the runs twice as well.
_STEADY_ODDS = 2
# So many standard errors are left as doubt: two of three shifts that are estimated so are larger.
_DOUBT = 0.4
_CLIP = 3
# A run so many deviations away is no drift, and left out: three of them at the end of a history
# would look like a host that gets slower, and excuse what comes after them.
_ODD = 10
_FEWEST = 10


def lasting(before: Sequence[float], after: Sequence[float]) -> float:
    """Return the shift from ``before`` to ``after``, in order of time, that no drift explains.

    As a share of ``before``; infinite where the history shows neither a trend nor a sway.
    """
    odd = _ODD * deviation(before)
    usual = [value for value in before if abs(value - median(before)) <= odd]
    trend = without_trend(usual, after) if rises(usual) else math.inf
    return min(trend, without_sway(before, after))


def rises(values: Sequence[float]) -> bool:
    """Say whether ``values`` rise in order of time (Mann, 1945; Kendall, 1975)."""
    count = len(values)
    rising = sum((b > a) - (b < a) for a, b in combinations(values, 2))
    return rising > _TREND * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)


def without_trend(before: Sequence[float], after: Sequence[float]) -> float:
    """Return the shift after the line through ``before`` (Theil, 1950; Sen, 1968) is taken off."""
    slope = median(
        (before[j] - before[i]) / (j - i) for i, j in combinations(range(len(before)), 2)
    )
    flat = [value + slope * (len(before) - place) for place, value in enumerate(before)]
    lifted = [value - slope * place for place, value in enumerate(after)]
    return median(b - a for a in flat for b in lifted) / (abs(median(flat)) or 1.0)


def without_sway(before: Sequence[float], after: Sequence[float]) -> float:
    """Return the shift that is left beside a state of the host that comes and goes.

    Infinite where the runs look independent of each other. The host's state is autoregressive,
    seen through each run's noise; level and shift are estimated beside it by generalised least
    squares on the innovations of a Kalman filter (Harvey, 1989), and the two ways to explain the
    runs are compared by their marginal likelihoods.
    """
    if len(before) < _FEWEST:
        return math.inf
    old, new = logarithms(before), logarithms(after)
    noise = deviation(old)
    runs = [*_clipped(old, noise, _ODD), *_clipped(new, noise)]
    if len({*runs[: len(old)]} - {None}) < _FEWEST:
        return math.inf
    steady, _, _ = _explained(runs, len(old), keeps=0.0, new=0.0)
    swaying, shift, error = _explained(runs, len(old), keeps=_KEEPS, new=_NEW)
    if swaying < steady - math.log(_STEADY_ODDS):
        return math.inf
    return math.expm1(shift - _DOUBT * error)


def _clipped(values: list[float], noise: float, odd: float = math.inf) -> list[float | None]:
    """Return ``values`` at most ``_CLIP`` deviations from their median; None beyond ``odd``."""
    middle, most = median(values), _CLIP * noise
    far = odd * noise if noise else math.inf
    return [
        min(max(value, middle - most), middle + most) if abs(value - middle) <= far else None
        for value in values
    ]


def _explained(
    runs: list[float | None], first_new: int, *, keeps: float, new: float
) -> tuple[float, float, float]:
    """Return the logarithm of the runs' marginal likelihood, the shift, and its standard error.

    Level, shift and the logarithm of the noise are unknown, all values as likely before. None is a
    run that is missing: the state goes on without it.
    """
    # Sums of products of innovations: level with level, level with shift, and so on.
    ll = ls = ss = lr = sr = rr = logs = 0.0
    expected: tuple[float, ...] = (0.0, 0.0, 0.0)
    state = new / (1 - keeps**2)
    for place, value in enumerate(runs):
        if value is None:
            expected = tuple(keeps * each for each in expected)
            state = keeps**2 * state + new
            continue
        seen = (1.0, float(place >= first_new), value)
        level, step, run = (a - b for a, b in zip(seen, expected, strict=True))
        variance = state + 1
        gain = state / variance
        expected = tuple(keeps * (b + gain * (a - b)) for a, b in zip(seen, expected, strict=True))
        state = keeps**2 * state * (1 - gain) + new
        ll += level * level / variance
        ls += level * step / variance
        ss += step * step / variance
        lr += level * run / variance
        sr += step * run / variance
        rr += run * run / variance
        logs += math.log(variance)
    size = ll * ss - ls * ls
    found = (ll * sr - ls * lr) / size
    at = (ss * lr - ls * sr) / size
    freedom = len(runs) - runs.count(None) - 2
    noise = (rr - at * lr - found * sr) / freedom
    likelihood = -(logs + math.log(size) + freedom * math.log(noise)) / 2
    return likelihood, found, math.sqrt(noise * ll / size)
