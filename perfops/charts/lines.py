"""A chart of lines over time, with its numbers in a table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from perfops.charts.scale import Scale, decades, finite, short, ticks

WIDTH, HEIGHT = 720, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 24, 14, 28
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
class Path:
    label: str
    style: str
    d: str
    # Points that have no neighbour would be invisible in a path.
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A label at a place; ``style`` is empty for a tick of an axis."""

    at: float
    label: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Hover:
    """A strip of the chart that says its numbers."""

    x: float
    width: float
    text: str


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
    rows: tuple[tuple[str, ...], ...]
    # Every how many-th x the table shows.
    step: int


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
) -> Chart | None:
    """Return the geometry of ``lines`` over ``xs`` (rising); None when there is nothing to draw.

    NaN and infinity are gaps.
    """
    lines = [replace(line, values=[finite(v) for v in line.values]) for line in lines]
    bounds = [bound for bound in bounds if finite(bound.value) is not None]
    values = [v for line in lines for v in line.values if v is not None]
    if not values:
        return None
    x_scale = Scale(xs[0], xs[-1] if xs[-1] > xs[0] else xs[0] + 1, _LEFT, WIDTH - _RIGHT)
    y_marks = _y_marks([*values, *(bound.value for bound in bounds)], log)
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
        bounds=tuple(Mark(y_scale.place(b.value), b.label, b.style) for b in bounds),
        hovers=_hovers(xs, lines, x_scale, x_text, y_text, step),
        columns=(x_label, *(line.label for line in lines)),
        rows=tuple(
            (x_text(xs[n]), *(_cell(line.values[n], y_text) for line in lines)) for n in shown
        ),
        step=step,
    )


def _y_marks(values: list[float], log: bool) -> list[float]:
    if not log:
        return ticks(min(0.0, *values), max(values), 5)
    positive = [max(v, _SMALLEST_LOG) for v in values]
    return decades(min(positive), max(positive))


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
