"""Parameters: harmless ones of the same kinds, and samples that come back as they were."""

import json
from datetime import UTC
from enum import IntEnum, StrEnum

import pytest
from django.utils.safestring import SafeString
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.numeric import Int4, Int8

from perfops.origins import parameters
from perfops.origins import parameters as samples

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=50) | st.dates()
    | st.datetimes(timezones=st.none() | st.just(UTC)) | st.uuids()
    | st.decimals(allow_nan=False) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=5), max_leaves=8,
)  # fmt: skip


@given(st.lists(VALUES, max_size=6))
def test_a_sample_comes_back_as_it_was(params):
    encoded = samples.encode(params)
    assert encoded is not None
    assert samples.decode(json.loads(encoded)) == params


@given(st.lists(VALUES, max_size=6))
def test_harmless_values_are_of_the_same_kinds_and_hold_nothing_of_the_real_ones(params):
    harmless = parameters.neutral(params)
    assert parameters.signature(harmless) == parameters.signature(params)
    assert all(value == "" for value in harmless if isinstance(value, str))


class Size(IntEnum):
    LARGE = 3


class Colour(StrEnum):
    RED = "red"

    def __str__(self):
        return "the colour red"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (Int4(7), 7), (Int8(2**40), 2**40), (SafeString("a"), "a"), (Size.LARGE, 3),
        (Colour.RED, "red"), ([Int4(7)], [7]),
    ],
)  # fmt: skip
def test_what_django_sends_in_a_type_of_its_own_is_kept(value, kept):
    assert samples.decode(json.loads(samples.encode([value]))) == [kept]


@pytest.mark.parametrize("params", [[object()], [b"x"], ["x" * 201], {"a": 1}, None])
def test_what_can_not_be_kept_is_no_sample(params):
    assert samples.encode(params) is None
