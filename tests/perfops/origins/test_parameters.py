"""Parameters: harmless ones of the same kinds, and samples that come back as they were."""

import json
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize("params", [[object()], [b"x"], ["x" * 201], {"a": 1}, None])
def test_what_can_not_be_kept_is_no_sample(params):
    assert samples.encode(params) is None
