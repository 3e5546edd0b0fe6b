"""From values to places on paper, and the round numbers to write beside them."""

import math
from dataclasses import dataclass

_STEPS = (1, 2, 2.5, 5, 10)
# Beyond this no axis of ours goes: differences of larger numbers overflow.
_LARGEST = 1e100
# Two ends nearer to each other than this share of their size are one place on paper.
_SAME_SHARE = 1e-6
_SMALLEST_SPAN = 1e-100


def finite(value: float | None) -> float | None:
    """Return ``value`` bounded to what can be drawn; None for NaN and infinity: a gap."""
    if value is None or not math.isfinite(value):
        return None
    return min(max(value, -_LARGEST), _LARGEST)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about ``count`` round numbers from ``low`` to ``high``, both within their range.

    Two ends that are equal, or too near to tell apart, are widened. Both must be finite.

    Heckbert, "Nice Numbers for Graph Labels", Graphics Gems (1990), with steps of 1, 2, 2.5, 5.
    """
    low, high = (min(max(end, -_LARGEST), _LARGEST) for end in (low, high))
    if high - low < max(_SMALLEST_SPAN, max(abs(low), abs(high)) * _SAME_SHARE):
        high = low + max(1.0, abs(low))
    rough = (high - low) / max(1, count - 1)
    magnitude = 10 ** math.floor(math.log10(rough))
    step = next(s * magnitude for s in _STEPS if s * magnitude >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{n * step:.10g}") for n in range(first, last + 1)]


def decades(low: float, high: float) -> list[float]:
    """Return the powers of ten that enclose ``low`` and ``high`` (both above 0 and finite)."""
    low, high = (min(max(end, _SMALLEST_SPAN), _LARGEST) for end in (low, high))
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    return [float(10**n) for n in range(first, max(last, first + 1) + 1)]


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps ``low``..``high`` to ``start``..``end``; what lies outside goes to the edge."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def place(self, value: float) -> float:
        value = min(max(value, self.low), self.high)
        if self.high == self.low:
            return round(self.start, 2)
        if self.log:
            part = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return round(self.start + part * (self.end - self.start), 2)


def short(value: float) -> str:
    """Return ``value`` as an axis writes it: 1200 as 1.2k, 0.5 as 0.5."""
    if abs(value) >= 1_000_000:
        return f"{value / 1_000_000:g}M"
    return f"{value / 1000:g}k" if abs(value) >= 10_000 else f"{value:g}"
