"""Charts as geometry for SVG: lines over time with their table, sparklines, meters."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

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


WIDTH, HEIGHT = 720, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 24, 14, 28
# The height of a label with its distance from its line.
_LABEL = 18
# More rows than this are too many for a table beside a chart, and for tooltips.
_MAX_ROWS = 120
_SMALLEST_LOG = 0.1

Value = float | None


@dataclass(frozen=True, slots=True)
class Line:
    """A line's values, one per x; None is a gap. ``style`` is a CSS class."""

    label: str
    style: str
    values: Sequence[Value]


@dataclass(frozen=True, slots=True)
class Bound:
    """A level that must hold, drawn across."""

    label: str
    style: str
    value: float


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at an x, drawn upright."""

    x: float
    label: str
    style: str


@dataclass(frozen=True, slots=True)
class Path:
    label: str
    style: str
    d: str
    # Points that have no neighbour would be invisible in a path.
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A label at a place; ``style`` is empty for a tick of an axis.

    ``is_below``: a label above its line would be struck through by the next one.
    """

    at: float
    label: str
    style: str = ""
    is_below: bool = False


@dataclass(frozen=True, slots=True)
class Hover:
    """A strip of the chart that says its numbers."""

    x: float
    width: float
    text: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A number of the table, and how it is shown, with its unit."""

    value: Value
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    x: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    title: str
    description: str
    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    paths: tuple[Path, ...]
    x_ticks: tuple[Mark, ...]
    y_ticks: tuple[Mark, ...]
    bounds: tuple[Mark, ...]
    hovers: tuple[Hover, ...]
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    # Every how many-th x the table shows.
    step: int
    events: tuple[Mark, ...] = ()
    # Bounds that lie outside of a chart that is scaled to its values.
    notes: tuple[str, ...] = ()

    @property
    def inner_width(self) -> int:
        """Of what is within the axes."""
        return self.right - self.left


def chart(
    title: str,
    *,
    xs: Sequence[float],
    x_text: Callable[[float], str],
    y_text: Callable[[float], str],
    lines: Sequence[Line],
    bounds: Sequence[Bound] = (),
    log: bool = False,
    x_label: str = "second",
    events: Sequence[Event] = (),
    from_zero: bool = True,
) -> Chart | None:
    """Return the geometry of ``lines`` over ``xs`` (rising); None when there is nothing to draw.

    NaN and infinity are gaps. ``from_zero``: False scales it to the values alone, and bounds
    beyond them become notes.
    """
    lines = [replace(line, values=[finite(v) for v in line.values]) for line in lines]
    bounds = [bound for bound in bounds if finite(bound.value) is not None]
    values = [v for line in lines for v in line.values if v is not None]
    if not values:
        return None
    x_scale = Scale(xs[0], xs[-1] if xs[-1] > xs[0] else xs[0] + 1, _LEFT, WIDTH - _RIGHT)
    if from_zero:
        y_marks = _y_marks([*values, *(bound.value for bound in bounds)], log)
    else:
        y_marks = ticks(min(values), max(values), 5)
    inside = [b for b in bounds if y_marks[0] <= b.value <= y_marks[-1]]
    y_scale = Scale(y_marks[0], y_marks[-1], HEIGHT - _BOTTOM, _TOP, log)
    x_marks = [x for x in ticks(x_scale.low, x_scale.high, 7) if x_scale.low <= x <= x_scale.high]
    step = -(-len(xs) // _MAX_ROWS)
    shown = range(0, len(xs), step)
    return Chart(
        title=title,
        description=_describe(lines, y_text),
        width=WIDTH,
        height=HEIGHT,
        left=_LEFT,
        right=WIDTH - _RIGHT,
        top=_TOP,
        bottom=HEIGHT - _BOTTOM,
        paths=tuple(_path(line, xs, x_scale, y_scale) for line in lines),
        x_ticks=tuple(Mark(x_scale.place(x), x_text(x)) for x in x_marks),
        y_ticks=tuple(Mark(y_scale.place(y), short(y)) for y in y_marks),
        bounds=_bounds(inside, y_scale),
        hovers=_hovers(xs, lines, x_scale, x_text, y_text, step),
        columns=(x_label, *(line.label for line in lines)),
        rows=tuple(
            Row(
                x_text(xs[n]),
                tuple(Cell(line.values[n], _cell(line.values[n], y_text)) for line in lines),
            )
            for n in shown
        ),
        step=step,
        events=tuple(Mark(x_scale.place(each.x), each.label, each.style) for each in events),
        notes=tuple(
            f"{b.label} is {'above' if b.value > y_marks[-1] else 'below'} this chart"
            for b in bounds
            if b not in inside
        ),
    )


def _y_marks(values: list[float], log: bool) -> list[float]:
    if not log:
        return ticks(min(0.0, *values), max(values), 5)
    positive = [max(v, _SMALLEST_LOG) for v in values]
    return decades(min(positive), max(positive))


def _bounds(bounds: Sequence[Bound], y_scale: Scale) -> tuple[Mark, ...]:
    """The lowest of several has its label below, where the axis leaves room for it."""
    places = [y_scale.place(each.value) for each in bounds]
    lowest = max(places, default=0)
    has_room = len(places) > 1 and lowest < HEIGHT - _BOTTOM - _LABEL
    return tuple(
        Mark(at, each.label, each.style, has_room and at == lowest)
        for at, each in zip(places, bounds, strict=True)
    )


def _path(line: Line, xs: Sequence[float], x_scale: Scale, y_scale: Scale) -> Path:
    stretches: list[list[tuple[float, float]]] = [[]]
    for x, value in zip(xs, line.values, strict=True):
        if value is not None:
            stretches[-1].append((x_scale.place(x), y_scale.place(value)))
        elif stretches[-1]:
            stretches.append([])
    d = " ".join(
        "M" + " L".join(f"{x:g},{y:g}" for x, y in stretch)
        for stretch in stretches
        if len(stretch) > 1
    )
    dots = tuple(stretch[0] for stretch in stretches if len(stretch) == 1)
    return Path(line.label, line.style, d, dots)


def _hovers(
    xs: Sequence[float],
    lines: Sequence[Line],
    x_scale: Scale,
    x_text: Callable[[float], str],
    y_text: Callable[[float], str],
    step: int,
) -> tuple[Hover, ...]:
    width = round((x_scale.end - x_scale.start) / max(1, len(xs) - 1) * step, 2)
    return tuple(
        Hover(
            round(max(x_scale.start, x_scale.place(xs[n]) - width / 2), 2),
            width,
            "\n".join(
                [
                    x_text(xs[n]),
                    *(f"{line.label}: {_cell(line.values[n], y_text)}" for line in lines),
                ]
            ),
        )
        for n in range(0, len(xs), step)
    )


def _cell(value: Value, text: Callable[[float], str]) -> str:
    return "-" if value is None else text(value)


def _describe(lines: Sequence[Line], text: Callable[[float], str]) -> str:
    parts = []
    for line in lines:
        values = [v for v in line.values if v is not None]
        if values:
            parts.append(f"{line.label} from {text(min(values))} to {text(max(values))}")
    return "; ".join(parts) + "."


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
