"""Charts that fit into a line of text: a sparkline, and a meter with its bounds."""

from collections.abc import Sequence
from dataclasses import dataclass

from perfops.charts.scale import Scale, finite

SPARK_WIDTH, SPARK_HEIGHT = 120, 24
METER_WIDTH = 200
# Room beyond the largest of value and bounds.
_ROOM = 1.15


@dataclass(frozen=True, slots=True)
class Meter:
    """A bar from 0 to the value, and where target and threshold stand; all on 0..METER_WIDTH."""

    value: float
    target: float
    threshold: float


def sparkline(values: Sequence[float | None]) -> str:
    """Return the points of a polyline within SPARK_WIDTH x SPARK_HEIGHT; empty for under two."""
    values = [finite(v) for v in values]
    known = [v for v in values if v is not None]
    if len(known) < 2:
        return ""
    x_scale = Scale(0, len(values) - 1, 1, SPARK_WIDTH - 1)
    y_scale = Scale(0, max(known) or 1, SPARK_HEIGHT - 2, 2)
    return " ".join(
        f"{x_scale.place(n):g},{y_scale.place(v):g}" for n, v in enumerate(values) if v is not None
    )


def thinned(values: Sequence[float | None], most: int) -> list[float | None]:
    """Return at most ``most`` values, each the greatest of its stretch: peaks must not vanish."""
    step = -(-len(values) // most) if values else 1
    stretches = (values[n : n + step] for n in range(0, len(values), step))
    return [max((v for v in part if v is not None), default=None) for part in stretches]


def meter(value: float, *, target: float, threshold: float) -> Meter:
    """Return the places of ``value`` and its bounds; NaN and infinity stand at 0."""
    drawn = [finite(each) or 0.0 for each in (value, target, threshold)]
    scale = Scale(0, max(*drawn, 0.0) * _ROOM or 1, 0, METER_WIDTH)
    return Meter(*map(scale.place, drawn))
