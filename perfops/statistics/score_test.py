"""Did runs get 10% slower, where runs are of several kinds? An exact test that ranks can't give.

Where one run in three takes 15% longer, 10% more moves few runs past others: the rank test sees it
in half of the cases. What shows it are runs at times that no run had before, which ranks ignore.
"""

import math
from collections.abc import Callable, Sequence

from perfops.statistics.shifts import sums_of_choices

# The shift that the test is made for; larger ones are left to the rank test.
SHIFT = math.log(1.10)
# A normal distribution's shortest half is so many deviations wide.
_SHORTEST_HALF = 1.349
# Of the density: what a time has that no other run is near to. It bounds what one run can say.
_FLOOR = 0.02
# Scores are counted in steps of a sixteenth: the distribution of their sums stays small.
_STEPS = 16
_LEAST_MS = 1e-6


def score_test(before: Sequence[float], after: Sequence[float]) -> float:
    """Return the exact one-sided p-value that ``after`` (times, in any unit) is 10% more.

    Each run scores the logarithm of how much likelier its time is for a run that takes 10% longer
    than the others (Neyman and Pearson, 1933), by a density of all runs together (kernels of
    Silverman's width, 1986, from the shortest half). The sum of the scores of ``after`` is compared
    with those of every choice of so many runs (permutation test: Fisher, 1935). The density does
    not know which runs are new: so the p-value is exact under any noise, if runs are independent.
    """
    times = logarithms([*before, *after])
    density = _density(times)
    scores = tuple(
        round(_STEPS * math.log(density(time - SHIFT) / density(time))) for time in times
    )
    counts = sums_of_choices(scores, len(after))
    observed = sum(scores[len(before) :])
    return sum(n for total, n in counts.items() if total >= observed) / sum(counts.values())


def logarithms(values: Sequence[float]) -> list[float]:
    """Return natural logarithms of times; one of 0 ms counts as a millionth of a millisecond."""
    return [math.log(max(value, _LEAST_MS)) for value in values]


def _density(times: list[float]) -> Callable[[float], float]:
    ordered, half = sorted(times), len(times) // 2 + 1
    shortest = min(high - low for low, high in zip(ordered, ordered[half - 1 :], strict=False))
    width = max(0.9 * shortest / _SHORTEST_HALF * len(times) ** -0.2, _LEAST_MS)

    def density(time: float) -> float:
        near = sum(math.exp(-(((time - each) / width) ** 2) / 2) for each in times)
        return near / len(times) + _FLOOR

    return density
