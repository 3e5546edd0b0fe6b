"""Cursors: what we gave out comes back, and nothing else is taken."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midst.kernel.pagination import NEWEST, BadCursor, Cursor, decode

moments = st.datetimes(
    min_value=datetime(1900, 1, 1),  # noqa: DTZ001 -- hypothesis wants naive bounds
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(moments, st.uuids(), st.booleans())
def test_a_cursor_survives_the_way_to_the_client_and_back(created_at, key, backward):
    cursor = Cursor(created_at, key, backward)
    assert decode(cursor.encode(), NEWEST) == cursor


@given(st.text(max_size=60))
def test_any_other_text_is_a_bad_cursor_or_one_of_ours(text):
    try:
        cursor = decode(text, NEWEST)
    except BadCursor:
        return
    assert decode(cursor.encode(), NEWEST) == cursor


def test_the_message_says_what_to_do():
    with pytest.raises(BadCursor, match="start without one"):
        decode("nonsense", NEWEST)
