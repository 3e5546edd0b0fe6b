"""From values to places on paper, and the round numbers to write beside them."""

import math
from dataclasses import dataclass

_STEPS = (1, 2, 2.5, 5, 10)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about ``count`` round numbers from ``low`` to ``high``, both within their range.

    Heckbert, "Nice Numbers for Graph Labels", Graphics Gems (1990), with steps of 1, 2, 2.5, 5.
    """
    if high <= low:
        high = low + 1
    rough = (high - low) / max(1, count - 1)
    magnitude = 10 ** math.floor(math.log10(rough))
    step = next(s * magnitude for s in _STEPS if s * magnitude >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{n * step:.10g}") for n in range(first, last + 1)]


def decades(low: float, high: float) -> list[float]:
    """Return the powers of ten that enclose ``low`` and ``high`` (both above 0)."""
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
