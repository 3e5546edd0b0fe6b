"""Latency sketches: bounded error, and a merge that equals everything together."""

import math

from hypothesis import given
from hypothesis import strategies as st

from perfops.statistics.sketch import RELATIVE_ERROR, Sketch

latencies = st.lists(st.floats(0.001, 60_000), min_size=1, max_size=200)


def sketch_of(values):
    sketch = Sketch()
    for value in values:
        sketch.record(value)
    return sketch


@given(latencies, st.floats(0.01, 1))
def test_a_quantile_is_within_the_error_of_the_true_one(values, q):
    true = sorted(values)[max(0, math.ceil(q * len(values) - 1e-9) - 1)]
    found = sketch_of(values).quantile(q)
    assert abs(found - true) <= true * RELATIVE_ERROR + 0.001


@given(latencies, latencies)
def test_a_merge_equals_all_together(some, others):
    merged = Sketch.merged([sketch_of(some), sketch_of(others)])
    together = sketch_of(some + others)
    assert merged.count == together.count
    for q in (0.5, 0.9, 0.95, 0.99, 1):
        assert merged.quantile(q) == together.quantile(q)


@given(latencies)
def test_nothing_is_lost_on_the_way_to_the_database_and_back(values):
    sketch = sketch_of(values)
    back = Sketch(sketch.encode())
    assert back.count == sketch.count
    assert back.quantile(0.95) == sketch.quantile(0.95)


def test_an_empty_sketch_knows_nothing():
    sketch = Sketch(Sketch().encode())
    assert (sketch.count, sketch.quantile(0.5), sketch.mean(), sketch.max()) == (
        0,
        None,
        None,
        None,
    )


def test_what_lies_outside_counts_as_the_nearest():
    sketch = sketch_of([0, 10_000_000])
    assert sketch.count == 2
    assert sketch.quantile(1) >= 119_000
