"""Durations are in the greatest unit of which there are two."""

import pytest

from midst.operations.durations import duration_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"), (1.2, "1 second"), (60, "1 minute"), (119, "119 seconds"),
        (120, "2 minutes"),
        (7199, "120 minutes"), (7200, "2 hours"), (172_800, "2 days"),
    ],
)  # fmt: skip
def test_the_unit_is_the_one_a_person_would_take(seconds, text):
    assert duration_text(seconds) == text
