"""How a schedule ended last: noted by the worker, read by the list of schedules."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from perfops.formatting import first_line
from perfops.models.schedules import ScheduleOutcome

_ERROR = ScheduleOutcome._meta.get_field("error").max_length or 0
# No task of ours may take longer; beat's clock and a worker's differ by less than a minute.
_LONGEST, _CLOCKS = timedelta(hours=1), timedelta(minutes=1)


class State(StrEnum):
    OK = "ok"
    FAILED = "failed"
    MISSED = "missed"
    UNDER_WAY = "under way"
    NEVER = "not yet"
    UNKNOWN = "not known"


class Outcome(NamedTuple):
    """``why``: a sentence, or ""; ``at``: when it ended."""

    state: State
    why: str = ""
    at: datetime | None = None


class Sending(NamedTuple):
    """What beat says of a schedule: when it sent it last, and when it is due next."""

    last_at: datetime | None
    next_at: datetime | None
    is_late: bool


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


def _missed_before(sending: Sending, last: ScheduleOutcome | None) -> bool:
    """Say whether the sending before the last one was not executed either."""
    if last is None or sending.next_at is None or sending.last_at is None:
        return False
    period = sending.next_at - sending.last_at
    return sending.last_at - last.ended_at > 2 * period + _CLOCKS
