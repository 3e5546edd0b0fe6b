"""How fast does a figure grow, and when does it reach a limit?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import stdev

from perfops.statistics.factors import t_quantile

_CONFIDENCE = 0.95
# Six stretches are the least that Student's t is calculated well for; a week in each.
_STRETCHES, _LEAST_STRETCH_DAYS, _MOST_STRETCHES = 6, 7.0, 13

# When (in days, from any origin) and how much.
Point = tuple[float, float]


class TooShort(ValueError):
    """The history says nothing of growth; the message says why."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Units a day. ``low`` and ``high``: its 95% interval."""

    per_day: float
    low: float
    high: float

    def days_to(self, room: float) -> tuple[float, float, float]:
        """Return the days until ``room`` units are used up: expected, earliest, latest.

        Infinity: never at this pace. No room left: 0.
        """
        if room <= 0:
            return 0.0, 0.0, 0.0
        expected, earliest, latest = (
            room / pace if pace > 0 else math.inf for pace in (self.per_day, self.high, self.low)
        )
        return expected, earliest, latest


def growth(points: Sequence[Point]) -> Growth:
    """Return the mean growth of readings, which need not be regular. Raises ``TooShort``.

    Sizes and counters are sums: two readings of one month are alike, so that a line's usual
    interval is far too narrow. What is independent is how much was added: the history is cut into
    equal stretches, and the mean of their paces has Student's interval (batch means: Law and
    Kelton, *Simulation Modeling and Analysis*, 9.5.3). A pace that changes for good
    is not foreseen.
    """
    known = sorted(points)
    span = known[-1][0] - known[0][0] if known else 0.0
    number = min(_MOST_STRETCHES, int(span / _LEAST_STRETCH_DAYS))
    if number < _STRETCHES:
        least = _STRETCHES * _LEAST_STRETCH_DAYS
        raise TooShort(f"{span:.0f} days of readings, and {least:.0f} are the least")
    length = span / number
    edges = [_nearest(known, known[0][0] + place * length) for place in range(number + 1)]
    if any(abs(at - known[0][0] - n * length) > length / 2 for n, (at, _) in enumerate(edges)):
        raise TooShort(f"readings are missing for more than {length:.0f} days")
    paces = [(new[1] - old[1]) / (new[0] - old[0]) for old, new in pairwise(edges)]
    mean = (edges[-1][1] - edges[0][1]) / (edges[-1][0] - edges[0][0])
    quantile = t_quantile(1 - (1 - _CONFIDENCE) / 2, number - 1)
    half = quantile * stdev(paces) / math.sqrt(number)
    return Growth(mean, mean - half, mean + half)


def _nearest(points: Sequence[Point], at: float) -> Point:
    return min(points, key=lambda point: abs(point[0] - at))
