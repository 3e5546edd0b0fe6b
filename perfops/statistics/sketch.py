"""A mergeable sketch of latencies: an HDR histogram.

Percentiles of several sketches come from their merge, never from averaging percentiles.
G. Tene, "How NOT to Measure Latency"; the histogram's relative error is at most 1 % here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from hdrh.histogram import HdrHistogram

_LOWEST_US = 1
_HIGHEST_US = 120 * 1_000_000
_DIGITS = 2
# 0.95 * 100 is a little more than 95 in floats.
_SLACK = 1e-9
# Half of the last significant digit, and the step of one microsecond.
RELATIVE_ERROR = 0.01


class Sketch:
    """Latencies from 1 µs to 120 s; what lies outside counts as the nearest of the two."""

    __slots__ = ("_histogram",)

    def __init__(self, encoded: bytes = b"") -> None:
        self._histogram = HdrHistogram(_LOWEST_US, _HIGHEST_US, _DIGITS)
        if encoded:
            self._histogram.decode_and_add(encoded)

    @classmethod
    def merged(cls, sketches: Iterable[Sketch]) -> Sketch:
        """Return one sketch of everything the others hold."""
        merged = cls()
        for sketch in sketches:
            merged.add(sketch)
        return merged

    def record(self, ms: float) -> None:
        microseconds = int(ms * 1000 + 0.5)
        self._histogram.record_value(max(_LOWEST_US, min(microseconds, _HIGHEST_US)))

    def add(self, other: Sketch) -> None:
        self._histogram.add(other._histogram)

    @property
    def count(self) -> int:
        return int(self._histogram.total_count)

    def quantile(self, q: float) -> float | None:
        """Return the latency in ms that the share ``q`` (0..1) does not exceed; None if empty."""
        if not self.count:
            return None
        # The histogram rounds to the nearest rank; the nearest above is what the name promises.
        rank = max(1, math.ceil(q * self.count - _SLACK))
        percentile = 100 * rank / self.count
        return float(self._histogram.get_value_at_percentile(percentile)) / 1000

    def mean(self) -> float | None:
        """Return the mean in ms; None if empty."""
        return float(self._histogram.get_mean_value()) / 1000 if self.count else None

    def max(self) -> float | None:
        """Return the greatest latency in ms; None if empty."""
        return float(self._histogram.get_max_value()) / 1000 if self.count else None

    def encode(self) -> bytes:
        """Return the histogram in HDR's compressed form."""
        return bytes(self._histogram.encode())
