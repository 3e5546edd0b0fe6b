"""What a capacity review says: figures, their growth, their limits, and when these are reached."""

import math
from datetime import datetime, timedelta

import msgspec

from perfops.formatting import size_text
from perfops.statistics.growth import Growth, Point, TooShort, growth

BYTES, NUMBER, RATE = "bytes", "number", "requests/s"
# Nobody plans further ahead, and a pace of some months does not hold for so long.
_FURTHEST_DAYS = 3 * 365.0


class Figure(msgspec.Struct, frozen=True):
    """``growth``: a day, its mean and 95% interval; None: ``unknown`` says why.

    ``limit``: what it may be; None: ``no_limit`` says why nobody knows. ``points``: (days before
    the review as a negative number, value).
    """

    name: str
    unit: str
    now: float
    points: tuple[Point, ...] = ()
    growth: tuple[float, float, float] | None = None
    unknown: str = ""
    limit: float | None = None
    no_limit: str = ""

    @property
    def headroom(self) -> float | None:
        """The share of the limit that is free, from 0 to 1."""
        return None if not self.limit else max(0.0, 1 - self.now / self.limit)

    @property
    def days(self) -> tuple[float, float, float] | None:
        """Days until the limit: expected, earliest, latest (infinity: never); None: unknown."""
        if self.limit is None or self.growth is None:
            return None
        return Growth(*self.growth).days_to(self.limit - self.now)

    @property
    def is_foreseen(self) -> bool:
        """Whether it reaches its limit within the time that one can plan for."""
        return self.days is not None and self.days[0] <= _FURTHEST_DAYS

    def text(self, value: float) -> str:
        if self.unit == BYTES:
            return ("-" if value < 0 else "") + size_text(abs(value))
        return f"{value:,.1f} {self.unit}" if self.unit == RATE else f"{value:,.0f}"

    @property
    def growth_text(self) -> str:
        """Its growth in a month of 30 days."""
        if self.growth is None:
            return f"could not tell: {self.unknown}"
        mean, low, high = (self.text(each * 30) for each in self.growth)
        return f"{mean} a month ({low} to {high})"

    @property
    def limit_text(self) -> str:
        if self.limit is None or self.headroom is None:
            return f"not known: {self.no_limit}"
        return f"{self.text(self.limit)}, {self.headroom:.0%} free"

    def full_text(self, at: datetime) -> str:
        """Return when it reaches its limit, in words; ``at``: when the review was made."""
        if self.days is None:
            return "could not tell"
        expected, earliest, latest = self.days
        if expected == 0:
            return "it is full now"
        if earliest > _FURTHEST_DAYS:
            return "not within three years"
        first, last = (_day(at, each) for each in (earliest, latest))
        if expected > _FURTHEST_DAYS:
            return f"not before {first}"
        return f"about {_day(at, expected)} ({first} at the earliest, {last} at the latest)"


class Review(msgspec.Struct, frozen=True):
    """``figures``: of the whole; ``tables``: the largest, whose growth is no limit of its own."""

    database: str
    at: datetime
    days: int
    figures: tuple[Figure, ...]
    tables: tuple[Figure, ...] = ()

    @property
    def first(self) -> Figure | None:
        """What reaches its limit first; None: nothing does within three years, or nothing tells."""
        foreseen = [each for each in self.figures if each.is_foreseen]
        return min(foreseen, key=lambda each: each.days or (math.inf,), default=None)

    @property
    def is_known(self) -> bool:
        """Whether a figure's limit and growth are both known."""
        return any(each.days is not None for each in self.figures)

    def is_near(self, within_days: float) -> bool:
        """Say whether something may be full so soon."""
        return any(each.days is not None and each.days[1] <= within_days for each in self.figures)

    @property
    def sentence(self) -> str:
        """What breaks first, or why that can't be told."""
        open_ones = [each.name for each in self.figures if each.days is None]
        rest = f" Not known: {', '.join(open_ones)}." if open_ones else ""
        if self.first is not None:
            return f"{self.first.name} is full first: {self.first.full_text(self.at)}.{rest}"
        if self.is_known:
            return f"Nothing whose limit is known reaches it within three years at this pace.{rest}"
        return "Could not tell what is full first: no figure has both a known growth and a limit."


def figure(
    name: str, unit: str, points: list[Point], *, limit: float | None = None, no_limit: str = ""
) -> Figure:
    """Return a figure by its readings, at least one, with its growth as far as they tell."""
    made = Figure(name, unit, max(points)[1], tuple(sorted(points)), None, "", limit, no_limit)
    try:
        found = growth(points)
    except TooShort as error:
        return msgspec.structs.replace(made, unknown=str(error))
    return msgspec.structs.replace(made, growth=(found.per_day, found.low, found.high))


def _day(at: datetime, days: float) -> str:
    return "never" if days > 50 * 365 else f"{at + timedelta(days=days):%Y-%m-%d}"
