"""One statement per row of another is found, and what looks like it is not."""

from dataclasses import replace

import msgspec
import pytest

from perfops.advisors import n_plus_one
from perfops.collectors import difference
from perfops.collectors.origins import Origin
from perfops.conf import Conf
from tests.perfops.test_snapshots import look

ORIGIN = Origin(
    text='SELECT "a" FROM "t" WHERE "id" = %s', queryids=("1",), site="shop/views.py:7",
    function="shelf", kind="request", name="GET /shelves/{id}", calls=200, units=10,
    most_calls=60, rows=200, total_ms=80.0,
)  # fmt: skip


def advice(**changes):
    window = difference.since_reset(look(100))
    origin = msgspec.structs.replace(ORIGIN, **changes)
    return n_plus_one.run(replace(window, origins=(origin,)), Conf())


def test_many_calls_per_request_from_one_line_are_found():
    (found,) = advice()
    assert found.severity == "warning"
    assert "20.0 times per request, from shop/views.py:7" in found.title
    assert found.evidence["most in one request"] == 60
    assert "grows with the data" in found.why


def test_far_too_many_are_an_error():
    (found,) = advice(calls=400, most_calls=40)
    assert found.severity == "error"
    assert "grows" not in found.why


@pytest.mark.parametrize(
    "changes",
    [
        {"calls": 40},
        {"kind": "command"},
        {"kind": "process"},
        {"site": ""},
        {"units": 0},
        {"text": "INSERT INTO t VALUES (%s)"},
    ],
)
def test_what_only_looks_like_it_is_left_alone(changes):
    assert advice(**changes) == []
