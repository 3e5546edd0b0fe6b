"""Cursors: what we gave out comes back, and nothing else is taken."""

from datetime import UTC, datetime
from uuid import UUID

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
    assert cursor.encode() == text


@pytest.mark.parametrize(
    "first",
    ["2026-01-01T00:00:00+23:59", "0001-01-01T00:00:00+12:00", "2026-01-01T00:00:00+00:00"],
)
def test_a_time_that_postgresql_would_refuse_is_a_bad_cursor(first):
    forged = Cursor(first, "0190a000-0000-7000-8000-000000000000").encode()
    with pytest.raises(BadCursor):
        decode(forged, NEWEST)


def test_a_key_has_one_spelling():
    key = UUID("0190a000-0000-7000-8000-00000000000f")
    for spelling in (str(key).upper(), key.hex, key.bytes):
        with pytest.raises(BadCursor):
            decode(Cursor(datetime(2026, 1, 1, tzinfo=UTC), spelling).encode(), NEWEST)


def test_the_message_says_what_to_do():
    with pytest.raises(BadCursor, match="start without one"):
        decode("nonsense", NEWEST)
