"""Holding the windows of a load against bounds, while it goes on and afterwards."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

import msgspec

from perfops.formatting import ms_text, percent_text
from perfops.load.parser import Event, Intended, Timing, WrongBody
from perfops.load.recording import ALL, Cell
from perfops.load.schedule import Schedule
from perfops.statistics import limits
from perfops.statistics.sketch import Sketch

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
ERRORS = "error_rate"
# Fewer requests than this tell no share of errors; for a quantile one must lie beyond it.
_MIN_FOR_ERRORS = 20
# Of the requests that a window should have, at least this share must have been answered.
_MIN_SENT = 0.95
# A queue that grows must keep the bounds for this long (s).
_AHEAD_S = 60.0
_MOST_LAG_MS = 50.0


class Bound(msgspec.Struct, frozen=True):
    """A quantity (a quantile in ms from the scheduled start, or the share of errors) that must stay
    below ``most``; of one route, or of all for "". ``name``: as the budget is called.
    """

    name: str
    quantity: str
    most: float
    route: str = ALL

    def value(self, cell: Cell) -> float | None:
        """Return the quantity of some requests; None where they are too few."""
        if self.quantity == ERRORS:
            return cell.errors / cell.requests if cell.requests >= _MIN_FOR_ERRORS else None
        q = QUANTILES[self.quantity]
        return cell.scheduled.quantile(q) if cell.requests >= math.ceil(1 / (1 - q)) else None

    def text(self, value: float) -> str:
        return percent_text(value) if self.quantity == ERRORS else ms_text(value)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a load at ``rate`` (requests/s) for ``seconds`` kept the bounds.

    ``within`` is None where the generator was late: then nothing is known of the server. ``why``:
    what was broken. ``p95_ms``: from the scheduled start; None where nothing was answered.
    """

    rate: float
    seconds: float
    within: bool | None
    why: str
    p95_ms: float | None
    error_rate: float | None


class Windows:
    """The requests of one load, by the window of ``length_s`` in which they were due."""

    def __init__(self, schedule: Schedule, bounds: Sequence[Bound], length_s: float) -> None:
        self._schedule, self._bounds, self._length_s = schedule, bounds, length_s
        self._lock = Lock()
        self._start: float | None = None
        self._cells: defaultdict[int, defaultdict[str, Cell]] = defaultdict(
            lambda: defaultdict(Cell)
        )
        self._lag = Sketch()

    def record(self, event: Event) -> None:
        """Take in what the ``Recording`` of the run has taken in before."""
        if not isinstance(event, Timing | Intended | WrongBody):
            return
        with self._lock:
            due, ms = event.at, 0.0
            if isinstance(event, Timing):
                due -= event.ms / 1000
            elif isinstance(event, Intended) and event.start is not None:
                lag_ms = self._schedule.lag_ms(event.start)
                due, ms = event.start.began_at - lag_ms / 1000, lag_ms + event.start.took_ms
                self._lag.record(lag_ms)
            elif isinstance(event, Intended):
                due, ms = event.at - event.ms / 1000, event.ms
            self._start = due if self._start is None else self._start
            number = max(0, int((due - self._start) / self._length_s))
            for route in (ALL, event.route):
                _add(self._cells[number][route], event, ms)

    def passed_s(self, now: float) -> float:
        """Return the seconds from the first due request until ``now``; 0 before it."""
        return 0.0 if self._start is None else now - self._start

    def broken(self, number: int, expected: float) -> str:
        """Return which bound the window ``number`` breaks, as a sentence; "" where none.

        ``expected``: how many requests it should have.
        """
        with self._lock:
            return self._broken(self._of(number), expected)

    def outcome(self, rate: float, seconds: float, *, skipped: int) -> Outcome:
        """Return how it went for ``seconds``, without the first ``skipped`` windows: a queue fills
        in them. What a load that was ended early sent after that says nothing.
        """
        count = round(seconds / self._length_s)
        with self._lock:
            judged: defaultdict[str, Cell] = defaultdict(Cell)
            for number in range(skipped, count):
                for route, cell in self._of(number).items():
                    judged[route].add(cell)
            why = self._broken(judged, rate * self._length_s * (count - skipped))
            why = why or self._growing(range(skipped, count))
            is_late = bool(why) and (self._lag.quantile(0.95) or 0.0) > _MOST_LAG_MS
            overall = judged[ALL]
            return Outcome(
                rate, seconds, None if is_late else not why,
                "the generator was late" if is_late else why,
                overall.scheduled.quantile(0.95),
                overall.errors / overall.requests if overall.requests else None,
            )  # fmt: skip

    def _of(self, number: int) -> Mapping[str, Cell]:
        return self._cells.get(number) or {}

    def _broken(self, cells: Mapping[str, Cell], expected: float) -> str:
        for bound in self._bounds:
            value = bound.value(cells[bound.route]) if bound.route in cells else None
            if value is not None and value >= bound.most:
                return f"{bound.name} was {bound.text(value)}"
        answered = cells[ALL].requests if ALL in cells else 0
        if answered < _MIN_SENT * expected - 1:
            return f"{answered:,} of {expected:,.0f} requests were answered"
        return ""

    def _growing(self, numbers: range) -> str:
        for bound in self._bounds:
            cells = [self._of(number).get(bound.route) for number in numbers]
            values = [bound.value(cell) for cell in cells if cell is not None]
            known = [value for value in values if value is not None]
            ahead = _AHEAD_S / self._length_s
            if len(known) == len(numbers) and limits.is_growing(known, bound.most, ahead):
                return f"{bound.name} grew, to {bound.text(known[-1])}"
        return ""


def _add(cell: Cell, event: Timing | Intended | WrongBody, ms: float) -> None:
    if isinstance(event, Timing):
        cell.requests += 1
        cell.errors += event.error
    elif isinstance(event, Intended):
        cell.scheduled.record(ms)
    else:
        cell.errors += 1
