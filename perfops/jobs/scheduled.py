"""When schedules are due and how they ended last: noted by the worker, read by the pages."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from django.apps import apps
from django.db.models import Max, OuterRef, QuerySet, Subquery, Window
from django.utils import timezone

from perfops.formatting import first_line
from perfops.models.schedules import ScheduleOutcome

_ERROR = ScheduleOutcome._meta.get_field("error").max_length or 0
# No task of ours may take longer; beat's clock and a worker's differ by less than a minute.
_LONGEST, _CLOCKS = timedelta(hours=1), timedelta(minutes=1)

# django-celery-beat writes every three minutes what it sent.
_LATE = timedelta(minutes=10)
# Beat reads a schedule of one hour of the day only from two hours before it: what was due while it
# was off is sent within a day of its start.
_MADE_UP_FOR = timedelta(hours=26)
_TASKS = 50


class State(StrEnum):
    OK = "ok"
    FAILED = "failed"
    MISSED = "missed"
    PUT_OFF = "put off"
    UNDER_WAY = "under way"
    NEVER = "not yet"
    UNKNOWN = "not known"


class Outcome(NamedTuple):
    """``why``: a sentence, or ""; ``at``: when it ended."""

    state: State
    why: str = ""
    at: datetime | None = None


class Sending(NamedTuple):
    """What beat says of a schedule: when it sent it last, and when it is due next.

    ``is_overdue``: it was due and beat has not sent it; ``is_late``: nor anything else of late.
    """

    last_at: datetime | None
    next_at: datetime | None
    is_overdue: bool = False
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A task of django-celery-beat; ``is_late``: it is due, and beat sends nothing."""

    pk: int
    name: str
    is_enabled: bool
    last_at: datetime | None
    next_at: datetime | None
    is_late: bool
    outcome: Outcome

    @property
    def is_done(self) -> bool:
        """False where its last time ended badly, or no worker has executed it."""
        bad = self.outcome.state in {State.FAILED, State.MISSED}
        return not self.is_enabled or self.is_late or not bad


def read(now: datetime) -> tuple[Scheduled, ...]:
    """Return the tasks of django-celery-beat, where it is installed.

    One query, two where a router has perfops in another database.
    """
    try:
        model = apps.get_model("django_celery_beat", "PeriodicTask")
    except LookupError:
        return ()
    rows = (
        model._default_manager.select_related("crontab", "interval")
        .exclude(name__startswith="celery.")
        .annotate(beat_at=Window(Max("last_run_at")))
    )
    outcomes = ScheduleOutcome.objects.filter(name=OuterRef("name"))
    is_one = rows.db == outcomes.db
    if is_one:
        names = "ended_at", "error"
        rows = rows.annotate(**{name: Subquery(outcomes.values(name)) for name in names})
    tasks, found = list(rows.order_by("name")[:_TASKS]), []
    if is_one:
        noted = {
            task.name: ScheduleOutcome(name=task.name, ended_at=task.ended_at, error=task.error)
            for task in tasks if task.ended_at is not None
        }  # fmt: skip
    else:
        noted = ended(task.name for task in tasks)
    for task in tasks:
        last = noted.get(task.name)
        sent = sending(task, last, beat_at=task.beat_at, now=now)
        found.append(
            Scheduled(
                task.pk, task.name, task.enabled, sent.last_at, sent.next_at, sent.is_late,
                outcome_of(sent, last, now),
            )
        )  # fmt: skip
    return tuple(found)


def beat_seen(rows: QuerySet[Any]) -> datetime | None:
    """Return when beat last sent anything of ``rows``, as far as it has written that. One query."""
    found: datetime | None = rows.order_by().aggregate(at=Max("last_run_at"))["at"]
    return found


def sending(
    row: Any, last: ScheduleOutcome | None, *, beat_at: datetime | None, now: datetime
) -> Sending:
    """Return when a task was sent and is due.

    ``last``: how it ended last: a task that has ended was sent, though beat has not written it
    yet. ``beat_at``: when beat last sent any task.
    """
    since = row.last_run_at or row.date_changed
    at = _next_time(row, since, now)
    if last is not None and at is not None and at < now - _LATE and last.ended_at >= at:
        at = _next_time(row, last.ended_at, now)
    is_overdue = at is not None and at < now - _LATE
    is_seen = beat_at is not None and beat_at >= now - _LATE
    return Sending(row.last_run_at, at, is_overdue, is_late=is_overdue and not is_seen)


def _next_time(row: Any, since: datetime, now: datetime) -> datetime | None:
    """Return when beat sends a task next; None for one that is off, or of another kind."""
    if not row.enabled or not (row.crontab or row.interval):
        return None
    # What remains is counted from a moment later than ``now``: 03:00:00 would be 02:59:59.9.
    at = timezone.now() + row.schedule.remaining_estimate(since) + timedelta(milliseconds=500)
    if row.start_time and row.start_time > now:
        at = max(at, row.start_time)
    found: datetime = at.replace(microsecond=0)
    return found


def note(request: Any, state: str, result: object, ended_at: datetime) -> bool:
    """Note the end of a task that a schedule has sent, and say whether it is one.

    ``request``: the task's; ``state``: Celery's; ``result``: an exception where it failed.
    """
    name = getattr(request, "periodic_task_name", None)
    if not name:
        return False
    error = "" if state == "SUCCESS" else _error_text(state, result)
    ScheduleOutcome.objects.bulk_create(
        [ScheduleOutcome(name=name, ended_at=ended_at, error=error)],
        update_conflicts=True, unique_fields=["name"], update_fields=["ended_at", "error"],
    )  # fmt: skip
    return True


def _error_text(state: str, result: object) -> str:
    if not isinstance(result, BaseException):
        return f"It ended as {state}."[:_ERROR]
    # The first line: those below it hold values of rows.
    return f"{type(result).__name__}: {first_line(result)}"[:_ERROR]


def ended(names: Iterable[str]) -> dict[str, ScheduleOutcome]:
    return {each.name: each for each in ScheduleOutcome.objects.filter(name__in=list(names))}


def outcome_of(sending: Sending, last: ScheduleOutcome | None, now: datetime) -> Outcome:
    """Return what became of a schedule, by what beat has sent and how the ``last`` one ended."""
    if sending.is_late:
        return Outcome(State.MISSED, "Beat has not sent it.")
    if sending.is_overdue:
        return _overdue(sending, now)
    if sending.last_at is None and last is None:
        return Outcome(State.NEVER)
    # Beat writes down what it has sent a few minutes later: the end may be there first.
    if last is not None and (sending.last_at is None or last.ended_at >= sending.last_at - _CLOCKS):
        state = State.FAILED if last.error else State.OK
        return Outcome(state, last.error, last.ended_at)
    assert sending.last_at is not None  # noqa: S101 -- or there is a last end
    if now - sending.last_at < _LONGEST and not _missed_before(sending, last):
        return Outcome(State.UNDER_WAY)
    if last is None:
        return Outcome(State.UNKNOWN, "No worker has ended it since outcomes are noted.")
    return Outcome(State.MISSED, "No worker has executed it.")


def _overdue(sending: Sending, now: datetime) -> Outcome:
    """Return what is said of a schedule that beat has not sent, though it sends others."""
    assert sending.next_at is not None  # noqa: S101 -- what has no time is not overdue
    if now - sending.next_at < _MADE_UP_FOR:
        why = "Beat did not run when it was due. It is sent within a day of beat's start."
        return Outcome(State.PUT_OFF, why)
    why = "Beat runs and has not sent it. If beat has run for a day, its log says why."
    return Outcome(State.MISSED, why)


def _missed_before(sending: Sending, last: ScheduleOutcome | None) -> bool:
    """Say whether the sending before the last one was not executed either."""
    if last is None or sending.next_at is None or sending.last_at is None:
        return False
    period = sending.next_at - sending.last_at
    return sending.last_at - last.ended_at > 2 * period + _CLOCKS
