"""Geometry: within its frame, gaps stay gaps, round numbers on the axes."""

import math
import re

from hypothesis import example, given
from hypothesis import strategies as st

from perfops.charts import (
    HEIGHT,
    METER_WIDTH,
    SPARK_HEIGHT,
    SPARK_WIDTH,
    WIDTH,
    Bound,
    Line,
    Scale,
    chart,
    decades,
    meter,
    short,
    sparkline,
    thinned,
    ticks,
)

numbers = st.floats(0, 1e6)
values = st.lists(st.none() | numbers, min_size=1, max_size=150)


def draw(series, log=False, bounds=()):
    return chart(
        "Title",
        xs=list(range(len(series))),
        x_text=str,
        y_text=lambda v: f"{v:g}",
        lines=[Line("line", "style", series)],
        bounds=bounds,
        log=log,
    )


@given(numbers, st.floats(0.01, 1e6), st.integers(2, 9))
def test_ticks_enclose_the_range_at_an_even_step(low, length, count):
    found = ticks(low, low + length, count)
    assert found[0] <= low + 1e-6 * (low + length)
    assert found[-1] >= (low + length) * (1 - 1e-6)
    assert len(found) <= 2 * count + 2
    assert found == sorted(found)


@given(st.floats(0.1, 1e5), st.floats(0.1, 1e5))
def test_decades_enclose_the_range(a, b):
    found = decades(min(a, b), max(a, b))
    assert found[0] <= min(a, b) * (1 + 1e-6)
    assert found[-1] >= max(a, b) * (1 - 1e-6)


@given(values, st.booleans())
def test_everything_is_drawn_within_the_frame(series, log):
    drawn = draw(series, log)
    if all(v is None for v in series):
        assert drawn is None
        return
    (path,) = drawn.paths
    places = [tuple(map(float, p.split(","))) for p in re.findall(r"[-\d.e]+,[-\d.e]+", path.d)]
    for x, y in [*places, *path.dots]:
        assert 0 <= x <= WIDTH
        assert 0 <= y <= HEIGHT
    known = sum(v is not None for v in series)
    assert len(places) + len(path.dots) == known


anything = st.floats()  # subnormal, infinite, NaN and huge ones among them


@given(st.lists(st.none() | anything, min_size=1, max_size=20), st.booleans(), anything)
@example([0.0, 5e-324], False, 1.0)
@example([1.7e308, -1.7e308], False, 1.0)
@example([1e6, 1e6 + 1e-9], False, 1.0)
@example([math.nan, math.inf, -math.inf], True, math.nan)
@example([-5.0, 0.0], True, 1.0)
def test_whatever_the_numbers_are_a_chart_is_drawn_within_its_frame(series, log, level):
    drawn = draw(series, log, [Bound("threshold", "po-threshold", level)])
    if not any(v is not None and math.isfinite(v) for v in series):
        assert drawn is None
        return
    marks = [mark.at for mark in (*drawn.y_ticks, *drawn.bounds)]
    points = re.findall(r"[-\d.e]+,([-\d.e]+)", drawn.paths[0].d)
    dots = [y for _, y in drawn.paths[0].dots]
    assert all(0 <= place <= HEIGHT for place in [*marks, *map(float, points), *dots])
    assert 2 <= len(drawn.y_ticks) <= 310
    assert len({mark.label for mark in drawn.y_ticks}) == len(drawn.y_ticks)


@given(st.lists(st.none() | anything, max_size=20))
def test_whatever_the_numbers_are_a_sparkline_stays_in_its_line(series):
    places = re.findall(r"([-\d.e]+),([-\d.e]+)", sparkline(series))
    assert all(0 <= float(x) <= SPARK_WIDTH for x, _ in places)
    assert all(0 <= float(y) <= SPARK_HEIGHT for _, y in places)


def test_a_gap_in_the_data_is_a_gap_in_the_line():
    (path,) = draw([1, 2, None, 3, 4, None, 5]).paths
    assert path.d.count("M") == 2
    assert len(path.dots) == 1


def test_bounds_beyond_the_data_widen_the_axis():
    drawn = draw([1, 2], bounds=[Bound("threshold", "po-threshold", 500)])
    assert drawn.y_ticks[-1].label == "600"
    assert 0 <= drawn.bounds[0].at <= HEIGHT


def test_the_table_has_every_number_until_there_are_too_many():
    assert len(draw(list(range(100))).rows) == 100
    long = draw(list(range(1000)))
    assert (len(long.rows), long.step) == (112, 9)


@given(st.lists(st.none() | numbers, max_size=300), st.integers(1, 50))
def test_thinning_keeps_the_peak(series, most):
    thin = thinned(series, most)
    assert len(thin) <= most
    known = [v for v in series if v is not None]
    assert max((v for v in thin if v is not None), default=None) == max(known, default=None)


def test_a_sparkline_needs_two_points():
    assert sparkline([1.0]) == ""
    assert sparkline([None, 1.0, 2.0]).count(",") == 2


@given(anything, anything, anything)
def test_a_meter_stays_within_its_bar(value, target, threshold):
    bar = meter(value, target=target, threshold=threshold)
    assert all(0 <= place <= METER_WIDTH for place in (bar.value, bar.target, bar.threshold))


def test_a_scale_puts_what_lies_outside_at_its_edge():
    assert Scale(0, 10, 0, 100).place(50) == 100
    assert Scale(1, 100, 0, 100, log=True).place(10) == 50


def test_axis_numbers_are_short():
    assert [short(v) for v in (0.5, 1200, 20_000, 3_000_000)] == ["0.5", "1200", "20k", "3M"]
