"""What became of a schedule: ok, failed, missed, or not yet known."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from perfops.jobs import scheduled
from perfops.jobs.scheduled import Sending, State
from perfops.models.schedules import ScheduleOutcome

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def ago(minutes):
    return None if minutes is None else NOW - timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("sent", "due", "ended", "error", "state"),
    [
        # Minutes ago; a negative one is to come.
        (10, -50, 9, "", State.OK),
        (10, -50, 9, "OSError: x", State.FAILED),
        # Beat writes minutes later what it has sent; a worker's clock is a little behind.
        (70, -50, 9, "", State.OK),
        (10, -50, 10.5, "", State.OK),
        # Nobody has sent it.
        (500, 60, 499, "", State.MISSED),
        (None, -50, None, "", State.NEVER),
        (None, -50, 9, "", State.OK),
        # It was sent, and has not ended: it may be at it.
        (10, -50, 69, "", State.UNDER_WAY),
        (10, -50, None, "", State.UNDER_WAY),
        # No task takes so long, or the one before has not ended either.
        (70, -1000, 999, "", State.MISSED),
        (10, -50, 200, "", State.MISSED),
        (10, None, 200, "", State.UNDER_WAY),
        # Sent before outcomes were noted: nobody knows.
        (70, -1000, None, "", State.UNKNOWN),
    ],
)
def test_what_became_of_a_schedule(sent, due, ended, error, state):
    last = None if ended is None else ScheduleOutcome(ended_at=ago(ended), error=error)
    is_late = due is not None and due > 10
    found = scheduled.outcome_of(Sending(ago(sent), ago(due), is_late), last, NOW)
    assert found.state == state
    assert bool(found.why) == (state in {State.FAILED, State.MISSED, State.UNKNOWN})


@pytest.mark.django_db
def test_the_last_end_is_kept_with_the_first_line_of_its_error():
    """PostgreSQL's second line has the values of a row."""
    request = SimpleNamespace(periodic_task_name="nightly")
    error = ValueError("twice\nDETAIL: Key (mail)=(ann@example.org) exists")
    scheduled.note(request, "FAILURE", error, NOW)
    assert scheduled.ended(["nightly"])["nightly"].error == "ValueError: twice"
    scheduled.note(request, "SUCCESS", None, NOW)
    assert scheduled.ended(["nightly"])["nightly"].error == ""
    scheduled.note(request, "IGNORED", None, NOW)
    assert scheduled.ended(["nightly"])["nightly"].error == "It ended as IGNORED."
    scheduled.note(request, "FAILURE", ValueError("x" * 1000), NOW)
    assert len(scheduled.ended(["nightly"])["nightly"].error) == 300


@pytest.mark.django_db
def test_a_task_that_no_schedule_has_sent_is_not_noted(django_assert_num_queries):
    with django_assert_num_queries(0):
        scheduled.note(SimpleNamespace(), "FAILURE", ValueError("x"), NOW)
