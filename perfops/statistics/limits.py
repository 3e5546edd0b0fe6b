"""The highest rate that a server sustains within bounds, from holds that were within or not.

A hold sends at one rate for some seconds; whether it stays within the bounds is chance near the
limit. The share of holds that do is taken as a logistic function of the rate's logarithm, with the
limit where it is one half and a spread of its own. Both have a posterior on a grid, and each hold
is placed where that posterior has the limit (QUEST: A. B. Watson, D. G. Pelli, *Perception &
Psychophysics* 33, 1983).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

# The grid: limits this close together (shares), and spreads from sharp to wide.
_STEP = 0.008
_REACH = math.log(1.6)
_SPREADS = (0.004, 0.008, 0.015, 0.03, 0.06, 0.12)
# A hold may fail or pass for a reason that has nothing to do with its rate.
_LAPSE = 0.02
_TAIL = 0.025
# Between these shares of holds within, the outcome of one is uncertain: +- ln 9 spreads.
_LN_9 = math.log(9)
# So many holds, and until the limit is known this well (a share).
LEAST_HOLDS, MOST_HOLDS, PRECISION = 10, 16, 0.03
_LOWEST = 1.0
# A line takes two of the values.
_FREE = 2
# Beside the limit, not on it: there a hold says something about the spread as well.
_ASIDE = 0.8


@dataclass(frozen=True, slots=True)
class Hold:
    """Some seconds at one ``rate`` (requests/s); ``within``: they kept the bounds."""

    rate: float
    within: bool


@dataclass(frozen=True, slots=True)
class Limit:
    """The highest rate within bounds (requests/s), with the ends of its 95% interval.

    ``high`` is None where no hold broke the bounds: the limit is higher than what was tried, and
    ``rate`` the highest that held. ``rate`` is None where no hold kept them, ``low`` too.
    ``repeatability``: a hold this share above or below the limit ends as expected nine times of
    ten; None where there is no interval.
    """

    rate: float | None
    low: float | None
    high: float | None
    repeatability: float | None

    @property
    def precision(self) -> float:
        """Return half of the interval as a share of the limit; infinity where an end is open."""
        if self.rate is None or self.low is None or self.high is None:
            return math.inf
        return (self.high - self.low) / 2 / self.rate

    def sentence(self) -> str:
        """Return the limit as a person reads it."""
        if self.rate is None:
            return f"Nothing held, not even {self.high or 0:,.1f} req/s."
        if self.low is None or self.high is None:
            return f"The limit is above {self.rate:,.0f} req/s: nothing that was tried broke it."
        return (
            f"The highest rate within the budgets is {self.rate:,.0f} req/s "
            f"(95% interval {self.low:,.0f} to {self.high:,.0f})."
        )

    def as_row(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


def estimate(holds: Sequence[Hold]) -> Limit:
    """Return the limit that ``holds`` show."""
    kept = [hold.rate for hold in holds if hold.within]
    broken = [hold.rate for hold in holds if not hold.within]
    if not kept:
        return Limit(None, None, min(broken, default=None), None)
    if not broken:
        return Limit(max(kept), max(kept), None, None)
    grid = _Grid(holds)
    low, rate, high = (grid.quantile(q) for q in (_TAIL, 0.5, 1 - _TAIL))
    return Limit(rate, low, high, math.expm1(_LN_9 * grid.spread()))


def next_rate(holds: Sequence[Hold]) -> float:
    """Return the rate of the next hold: by turns a little below and above the likely limit.

    ``holds`` has some within and some not: a ramp has found both.
    """
    grid = _Grid(holds)
    side = 1 if len(holds) % 2 else -1
    return grid.quantile(0.5) * math.exp(side * _ASIDE * grid.spread())


def search(
    hold: Callable[[float], bool | None], ramp: Sequence[Hold], *, ceiling: float,
    may_go_on: Callable[[], bool], precision: float = PRECISION,
) -> list[Hold]:  # fmt: skip
    """Return the holds of a search, those of the ``ramp`` before it first.

    ``hold`` sends at a rate and says whether it was within; None where that can't be told. The
    search steps back where nothing held, goes up to the ``ceiling`` where all did, and ends when
    the interval is within +- ``precision`` or ``may_go_on`` says so.
    """
    holds = list(ramp[-2:])
    for number in range(MOST_HOLDS):
        if not may_go_on() or (number >= LEAST_HOLDS and estimate(holds).precision <= precision):
            break
        rate = min(_next(holds, ceiling), ceiling)
        if rate < _LOWEST:
            break
        within = hold(rate)
        if within is not None:
            holds.append(Hold(rate, within))
        if number and all(each.within for each in holds):
            break  # twice at the ceiling
    return holds


def _next(holds: Sequence[Hold], ceiling: float) -> float:
    if not any(each.within for each in holds):
        return min((each.rate for each in holds), default=ceiling) / 2
    return ceiling if all(each.within for each in holds) else next_rate(holds)


def is_growing(values: Sequence[float], bound: float, ahead: float) -> bool:
    """Say whether ``values``, at equal distances, grow so that they pass ``bound`` before ``ahead``
    distances have passed: a queue that grows breaks a bound later than a hold ends.

    By the least squares line, where its slope is more than two standard errors above 0.
    """
    count = len(values)
    if count <= _FREE:
        return False
    middle, mean = (count - 1) / 2, sum(values) / count
    square = sum((x - middle) ** 2 for x in range(count))
    slope = sum((x - middle) * (y - mean) for x, y in enumerate(values)) / square
    rest = sum((y - mean - slope * (x - middle)) ** 2 for x, y in enumerate(values))
    if slope <= 2 * math.sqrt(rest / (count - _FREE) / square):
        return False
    return mean + slope * (ahead - middle) > bound


class _Grid:
    """The posterior of limit and spread; all are alike before the first hold."""

    def __init__(self, holds: Sequence[Hold]) -> None:
        lowest = math.log(min(hold.rate for hold in holds)) - _REACH
        highest = math.log(max(hold.rate for hold in holds)) + _REACH
        count = round((highest - lowest) / _STEP)
        self._limits = [lowest + n * _STEP for n in range(count + 1)]
        weights = [
            [math.exp(_likelihood(holds, limit, spread)) for spread in _SPREADS]
            for limit in self._limits
        ]
        whole = sum(map(sum, weights))
        self._by_limit = [sum(row) / whole for row in weights]
        self._by_spread = [sum(column) / whole for column in zip(*weights, strict=True)]

    def quantile(self, q: float) -> float:
        """Return the limit (requests/s) that the share ``q`` of the posterior lies below."""
        below = 0.0
        for limit, weight in zip(self._limits, self._by_limit, strict=True):
            if below + weight >= q:
                return math.exp(limit + _STEP * ((q - below) / weight - 0.5))
            below += weight
        return math.exp(self._limits[-1])

    def spread(self) -> float:
        """Return the posterior's mean, of logarithms."""
        pairs = zip(_SPREADS, self._by_spread, strict=True)
        return math.exp(sum(weight * math.log(spread) for spread, weight in pairs))


def _likelihood(holds: Sequence[Hold], limit: float, spread: float) -> float:
    """Return its logarithm."""
    total = 0.0
    for hold in holds:
        above = max(-40.0, min((math.log(hold.rate) - limit) / spread, 40.0))
        share = _LAPSE + (1 - 2 * _LAPSE) / (1 + math.exp(above))
        total += math.log(share if hold.within else 1 - share)
    return total
