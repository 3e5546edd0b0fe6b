"""The library's numbers without its ceremony, several in one step: for what each request pays.

prometheus_client looks at labels and signs at each call and takes a lock for each number. A
request has a dozen of them.
"""

from bisect import bisect_left
from typing import cast

from prometheus_client import Counter, Gauge, Histogram

from midst.telemetry.shared.values import SharedValue, process


def number(metric: Counter | Gauge) -> SharedValue:
    """Return the number behind a counter or gauge that has its labels."""
    return cast(SharedValue, metric._value)


class Distribution:
    """The numbers behind a histogram that has its labels."""

    __slots__ = ("_bounds", "_buckets", "sum")

    def __init__(self, histogram: Histogram) -> None:
        self.sum = cast(SharedValue, histogram._sum)
        self._bounds = histogram._upper_bounds
        self._buckets = cast(list[SharedValue], histogram._buckets)

    def bucket(self, amount: float) -> SharedValue:
        """Return the count that ``amount`` belongs to; the last bound is infinite."""
        return self._buckets[bisect_left(self._bounds, amount)]


class Timed:
    """How often something was done, and how long it took."""

    __slots__ = ("_count", "_duration")

    def __init__(self, count: Counter, duration: Histogram) -> None:
        self._count, self._duration = number(count), Distribution(duration)

    def took(self, seconds: float) -> None:
        """Count it once more."""
        duration = self._duration
        add((self._count, 1), (duration.sum, seconds), (duration.bucket(seconds), 1))


def add(*changes: tuple[SharedValue, float]) -> None:
    """Add to each number its amount."""
    with process.lock:
        cells = process.segment.cells  # type: ignore[union-attr]
        for value, amount in changes:
            cells[value.index] += amount
