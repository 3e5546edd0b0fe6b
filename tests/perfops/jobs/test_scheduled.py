"""What became of a schedule: ok, failed, missed, or not yet known."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

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
    of_beat = Sending(ago(sent), ago(due), is_overdue=is_late, is_late=is_late)
    found = scheduled.outcome_of(of_beat, last, NOW)
    assert found.state == state
    assert bool(found.why) == (state in {State.FAILED, State.MISSED, State.UNKNOWN})


def hourly(**fields):
    """At the 30th minute; beat sent it last 36 hours ago."""
    crontab = CrontabSchedule(minute="30", timezone="UTC")
    sent_at = timezone.now() - timedelta(hours=36)
    return PeriodicTask(name="x", crontab=crontab, last_run_at=sent_at, **fields)


def daily(**fields):
    every = IntervalSchedule(every=1, period="days")
    sent_at = timezone.now() - timedelta(hours=36)
    return PeriodicTask(name="x", interval=every, last_run_at=sent_at, **fields)


def seen(task, *, beat_minutes, ended_minutes=None):
    """What is said of ``task`` when beat sent anything, and the task ended, so long ago."""
    now, last = timezone.now(), None
    if ended_minutes is not None:
        last = ScheduleOutcome(ended_at=now - timedelta(minutes=ended_minutes), error="")
    beat_at = None if beat_minutes is None else now - timedelta(minutes=beat_minutes)
    sent = scheduled.sending(task, last, beat_at=beat_at, now=now)
    return sent, scheduled.outcome_of(sent, last, now).state


@pytest.mark.parametrize("beat_minutes", [None, 11])
def test_a_schedule_that_is_due_is_late_where_beat_sends_nothing(beat_minutes):
    for task in (hourly(), daily()):
        sent, state = seen(task, beat_minutes=beat_minutes, ended_minutes=36 * 60)
        assert (sent.is_late, state) == (True, State.MISSED)


def test_what_was_due_while_beat_was_off_is_put_off_and_not_late():
    """Beat that was started again has not sent it yet, or has not written that it did."""
    sent, state = seen(daily(), beat_minutes=0, ended_minutes=36 * 60)
    assert (sent.is_late, state) == (False, State.PUT_OFF)
    # For more than a day: beat may not be able to.
    sent, state = seen(hourly(), beat_minutes=0)
    assert (sent.is_late, state) == (False, State.MISSED)


@pytest.mark.parametrize("beat_minutes", [0, 11])
def test_what_has_ended_since_it_was_due_was_sent_though_beat_has_not_written_it(beat_minutes):
    for task in (hourly(), daily()):
        sent, state = seen(task, beat_minutes=beat_minutes, ended_minutes=1)
        assert (sent.is_late, state) == (False, State.OK)
        assert sent.next_at > timezone.now() - timedelta(minutes=1)


def test_a_schedule_that_begins_later_is_not_late():
    begin = timezone.now() + timedelta(days=3)
    sent, _ = seen(daily(start_time=begin), beat_minutes=None)
    assert not sent.is_late
    assert sent.next_at == begin.replace(microsecond=0)


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
