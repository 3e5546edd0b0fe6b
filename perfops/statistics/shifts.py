"""Did a figure shift between two groups of runs? Exact tests on runs, never on requests.

Requests of one run share its machine and its minute: ranks of raw requests call noise a shift.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from statistics import NormalDist, median

ALPHA = 0.01
MIN_EFFECT = 0.05
_CONFIDENCE = 0.95
_POWER = 0.8
# A normal distribution's deviation is this many times its median absolute deviation.
_MAD = 1.4826
# Pitman efficiency of the rank test against the mean, for normal noise.
_EFFICIENCY = 3 / math.pi


@dataclass(frozen=True, slots=True)
class Shift:
    """``after`` against ``before``. ``effect``, ``low``, ``high``: as a share of ``before``.

    Positive is worse. ``p``: chance of ranks as bad as these where nothing changed.
    ``best_p``: the smallest chance that so few runs can show. ``detectable``: the effect that
    these numbers of runs find in four of five cases at this noise; infinite where so few runs
    can't show any.
    """

    p: float
    best_p: float
    effect: float
    low: float
    high: float
    detectable: float
    runs: tuple[int, int]


def shift(
    before: Sequence[float],
    after: Sequence[float],
    *,
    lower_is_better: bool,
    alpha: float = ALPHA,
) -> Shift:
    """Compare two groups of runs; ``alpha``: of the test that ``detectable`` is about.

    Raises ``ValueError`` when one of them is empty.
    """
    if not before or not after:
        raise ValueError("There must be a run before and one after.")
    sign = 1 if lower_is_better else -1
    old, new = [sign * value for value in before], [sign * value for value in after]
    scale = abs(median(old)) or 1.0
    differences = sorted(b - a for a in old for b in new)
    low, high = _interval(differences, len(old), len(new))
    best_p = 1 / math.comb(len(old) + len(new), len(new))
    return Shift(
        p=mann_whitney(old, new),
        best_p=best_p,
        effect=median(differences) / scale,
        low=low / scale,
        high=high / scale,
        detectable=_detectable(old, len(new), alpha) / scale if best_p < alpha else math.inf,
        runs=(len(old), len(new)),
    )


def mann_whitney(before: Sequence[float], after: Sequence[float]) -> float:
    """Return the exact one-sided p-value that ``after`` is greater; ties share their rank.

    The rank sum of every choice of ``len(after)`` out of all values is counted (Mann and
    Whitney, 1947), so that ties need no correction.
    """
    values = sorted([*before, *after])
    # Twice the mid-rank is a whole number.
    doubled = {value: values.index(value) * 2 + values.count(value) + 1 for value in {*values}}
    counts = sums_of_choices(tuple(doubled[value] for value in values), len(after))
    observed = sum(doubled[value] for value in after)
    return sum(n for total, n in counts.items() if total >= observed) / sum(counts.values())


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p-values adjusted for their number: Holm's step-down procedure (1979)."""
    adjusted, highest = {}, 0.0
    ordered = sorted(p_values, key=lambda name: p_values[name])
    for place, name in enumerate(ordered):
        highest = max(highest, min(1.0, (len(ordered) - place) * p_values[name]))
        adjusted[name] = highest
    return adjusted


# Without ties all groups of the same sizes have one distribution of ranks.
@lru_cache(32)
def sums_of_choices(values: tuple[int, ...], size: int) -> dict[int, int]:
    """Return each sum that a choice of ``size`` of ``values`` has, and of how many choices."""
    by_size: list[dict[int, int]] = [{0: 1}, *({} for _ in range(size))]
    for value in values:
        for smaller, larger in reversed(list(pairwise(by_size))):
            for total, n in smaller.items():
                larger[total + value] = larger.get(total + value, 0) + n
    return by_size[size]


def _interval(differences: list[float], old: int, new: int) -> tuple[float, float]:
    """Return the Hodges-Lehmann interval: the ranks of the differences that the test allows."""
    counts = sums_of_choices(tuple(range(1, old + new + 1)), new)
    lowest, whole, below = min(counts), sum(counts.values()), 0
    place = 0
    while below + counts[lowest + place] <= (1 - _CONFIDENCE) / 2 * whole:
        below += counts[lowest + place]
        place += 1
    place = max(place, 1)
    return differences[place - 1], differences[-place]


def pairs_for(before: Sequence[float], effect: float, alpha: float = ALPHA) -> int:
    """Return how many runs of each build show ``effect`` (a share) in four of five cases.

    At the noise of ``before``; Noether's approximation (1987).
    """
    scale = abs(median(before)) or 1.0
    share = _z(alpha) * deviation(before) / scale / effect
    return max(2, math.ceil(2 * share**2 / _EFFICIENCY))


def _detectable(before: Sequence[float], new: int, alpha: float) -> float:
    """Noether's approximation (1987) for a one-sided rank test, at the noise of ``before``."""
    runs = (1 / len(before) + 1 / new) / _EFFICIENCY
    return _z(alpha) * deviation(before) * math.sqrt(runs)


def _z(alpha: float) -> float:
    return NormalDist().inv_cdf(1 - alpha) + NormalDist().inv_cdf(_POWER)


def deviation(values: Sequence[float]) -> float:
    """Return the standard deviation by the median absolute deviation: outliers change it little."""
    middle = median(values)
    return _MAD * median(abs(value - middle) for value in values)
