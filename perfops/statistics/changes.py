"""Where did a series of runs change? Maximally selected rank statistics, and binary segmentation.

At each place the runs before and after are compared by the rank test (Mann and Whitney, corrected
for ties); the place where they differ most is a change if that is rarer than chance allows for the
greatest of so many (Miller and Siegmund, 1982; Lausen and Schumacher, 1992). Both sides are then
looked at in the same way (Vostrikova, 1981). Its exact place is where the runs deviate least from
the medians of both sides (Bai, 1995). Ranks: one run in a hundred that takes a minute is no change.
"""

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from perfops.statistics.shifts import ALPHA, MIN_EFFECT

# So many runs are before and after a change: fewer prove none.
MIN_RUNS = 5


class Change(NamedTuple):
    """``place``: of the first run after it. ``before``, ``after``: medians up to the next change.

    ``p``: the chance that runs which did not change differ as much anywhere in the series.
    """

    place: int
    before: float
    after: float
    p: float

    @property
    def effect(self) -> float:
        """The change as a share of what was before."""
        return (self.after - self.before) / (abs(self.before) or 1.0)


def change_points(
    values: Sequence[float], *, alpha: float = ALPHA, min_effect: float = MIN_EFFECT
) -> list[Change]:
    """Return the changes in ``values`` (a run each, oldest first) by place.

    Series that did not change have one with the chance ``alpha`` at most, if their runs do not
    depend on each other; a host that drifts has more. What is smaller than ``min_effect`` (a share)
    is none.
    """
    found = dict(_splits(values, 0, alpha))
    changes = []
    before, rest = 0, sorted(found)
    for n, here in enumerate(rest):
        after = rest[n + 1] if n + 1 < len(rest) else len(values)
        place = before + _nearby(values[before:after], here - before)
        changes.append(
            Change(place, median(values[before:place]), median(values[place:after]), found[here])
        )
        before = place
    return [each for each in changes if abs(each.effect) >= min_effect]


def _splits(values: Sequence[float], first: int, alpha: float) -> list[tuple[int, float]]:
    place, z = strongest(values)
    share = MIN_RUNS / max(1, len(values))
    p = chance(abs(z), share) if place else 1.0
    if p >= alpha:
        return []
    return [
        *_splits(values[:place], first, alpha),
        (first + place, p),
        *_splits(values[place:], first + place, alpha),
    ]


def _nearby(values: Sequence[float], place: int) -> int:
    """Return the place near ``place`` with the least absolute deviations from both medians."""
    low, high = max(MIN_RUNS, place - MIN_RUNS), min(len(values) - MIN_RUNS, place + MIN_RUNS)

    def deviations(here: int) -> float:
        sides = (values[:here], values[here:])
        middles = [median(side) for side in sides]
        return math.fsum(
            abs(value - middle)
            for side, middle in zip(sides, middles, strict=True)
            for value in side
        )

    return min(range(low, high + 1), key=deviations, default=place)


def strongest(values: Sequence[float]) -> tuple[int, float]:
    """Return the place where the runs before and after differ most, and its z-value.

    (0, 0.0) where there are too few runs, or all are equal. Positive where the later are greater.
    """
    count = len(values)
    ranks, ties = _ranks(values)
    spread = (count + 1) - ties / (count * (count - 1)) if count > 1 else 0.0
    best, z, total = 0, 0.0, 0.0
    for place in range(1, count - MIN_RUNS + 1):
        total += ranks[place - 1]
        if place < MIN_RUNS or spread <= 0:
            continue
        later = count - place
        deviation = math.sqrt(place * later * spread / 12)
        here = (place * (count + 1) / 2 - total) / deviation
        if abs(here) > abs(z):
            best, z = place, here
    return best, z


def chance(z: float, share: float) -> float:
    """Return how often the greatest of all splits exceeds ``z`` where nothing changed.

    ``share``: of the runs that are left out at either end. Approximation by Miller and Siegmund
    (1982).
    """
    if z <= 1 or not 0 < share < 0.5:
        return 1.0
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    width = 2 * math.log((1 - share) / share)
    return min(1.0, density * ((z - 1 / z) * width + 4 / z))


def _ranks(values: Sequence[float]) -> tuple[list[float], float]:
    """Return the mid-ranks, and the sum of t^3 - t over ties of t values."""
    order = sorted(range(len(values)), key=lambda place: values[place])
    ranks, ties, start = [0.0] * len(values), 0.0, 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for place in order[start:end]:
            ranks[place] = (start + end + 1) / 2
        ties += (end - start) ** 3 - (end - start)
        start = end
    return ranks, ties
