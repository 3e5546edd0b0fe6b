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

    __slots__ = ("_bounds", "_buckets", "_sum")

    def __init__(self, histogram: Histogram) -> None:
        self._sum = cast(SharedValue, histogram._sum)
        self._bounds = histogram._upper_bounds
        self._buckets = cast(list[SharedValue], histogram._buckets)

    def observe(self, amount: float) -> SharedValue:
        """Add ``amount`` and return its bucket. Whoever asks holds the lock of ``process``."""
        # The last bound is infinite.
        bucket = self._buckets[bisect_left(self._bounds, amount)]
        cells = process.segment.cells  # type: ignore[union-attr]
        cells[self._sum.index] += amount
        cells[bucket.index] += 1
        return bucket


class Timed:
    """How often something was done, and how long it took."""

    __slots__ = ("_count", "_duration")

    def __init__(self, count: Counter, duration: Histogram) -> None:
        self._count, self._duration = number(count), Distribution(duration)

    def took(self, seconds: float) -> None:
        """Count it once more."""
        with process.lock:
            process.segment.cells[self._count.index] += 1  # type: ignore[union-attr]
            self._duration.observe(seconds)
