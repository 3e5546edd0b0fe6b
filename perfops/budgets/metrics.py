"""What budgets measure: units, which way is better, and how far there is to go. Pure."""

from dataclasses import dataclass
from typing import Literal

Unit = Literal["ms", "share", "req/s"]


@dataclass(frozen=True, slots=True)
class Measure:
    """``unit``: ms, share (0..1) or req/s."""

    unit: Unit
    lower_is_better: bool

    def holds(self, value: float, bound: float) -> bool:
        """Say whether ``value`` is strictly on the good side of ``bound``."""
        return value < bound if self.lower_is_better else value > bound

    def is_eased(self, target: float, threshold: float) -> bool:
        """Say whether ``target`` is easier to meet than ``threshold``: then neither says much."""
        return target != threshold and self.holds(threshold, target)

    def margin(self, value: float, threshold: float) -> float | None:
        """Return the room to the threshold as a share of it: 0.4 is 40 % to spare, < 0 violated."""
        if threshold == 0:
            return None
        room = threshold - value if self.lower_is_better else value - threshold
        return room / threshold

    def text(self, value: float | None) -> str:
        """Return ``value`` with its unit, as a person reads it."""
        if value is None:
            return "-"
        if self.unit == "share":
            return f"{value:.2%}" if value < _SMALL_SHARE else f"{value:.1%}"
        if self.unit == "req/s":
            return f"{value:,.0f} req/s"
        return f"{value:,.1f} ms" if value < _SHORT_MS else f"{value:,.0f} ms"

    def bound_text(self, bound: float) -> str:
        """Return a bound as the budget's table writes it: ``< 300 ms``."""
        sign = "<" if self.lower_is_better else ">"
        number = {"ms": f"{bound:g} ms", "share": f"{bound * 100:g}%", "req/s": f"{bound:g} req/s"}
        return f"{sign} {number[self.unit]}"


_SMALL_SHARE = 0.1
_SHORT_MS = 100

# Keys are the values of Budget.Metric.
MEASURES = {
    "latency_p95": Measure("ms", lower_is_better=True),
    "latency_p99": Measure("ms", lower_is_better=True),
    "error_rate": Measure("share", lower_is_better=True),
    "cache_hit_rate": Measure("share", lower_is_better=False),
    "db_cache_hit_rate": Measure("share", lower_is_better=False),
    "throughput": Measure("req/s", lower_is_better=False),
}
