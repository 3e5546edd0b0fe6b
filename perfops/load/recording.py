"""What has been measured so far: per second and per route, in counts and mergeable sketches."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from threading import Lock

from perfops.load.parser import Departure, Dropped, Event, Intended, Timing, WrongBody
from perfops.load.schedule import Schedule
from perfops.statistics.sketch import Sketch

ALL = ""
# k6 hands its rows over in batches; a second is closed when nothing more can come for it.
_SETTLED_AFTER_S = 5
# After the plan's end k6 waits for answers for 10 s (``gracefulStop``): a request without one by
# then has failed. k6 says up to a second before its end that it is still there.
_NO_ANSWER_S = 9.0


@dataclass(slots=True)
class Cell:
    """Some requests: counts, and their latencies in ms."""

    requests: int = 0
    errors: int = 0
    unreachable: int = 0
    cache_hits: int = 0
    cache_misses: int = 0
    latency: Sketch = field(default_factory=Sketch)
    # Response time from the scheduled start.
    scheduled: Sketch = field(default_factory=Sketch)

    def add(self, other: "Cell") -> None:
        self.requests += other.requests
        self.errors += other.errors
        self.unreachable += other.unreachable
        self.cache_hits += other.cache_hits
        self.cache_misses += other.cache_misses
        self.latency.add(other.latency)
        self.scheduled.add(other.scheduled)


@dataclass(slots=True)
class Second:
    """One second of the run. ``routes`` holds no entry for all of them: see ``overall``."""

    routes: defaultdict[str, Cell] = field(default_factory=lambda: defaultdict(Cell))
    dropped: int = 0
    vus: int = 0
    # Requests without an answer when the run ended: among those of ``routes``.
    unanswered: int = 0

    def overall(self) -> Cell:
        """Return all routes together."""
        return _sum(self.routes.values())


class Recording:
    """Takes events from one thread while another reads; seconds count from the first request."""

    def __init__(self, schedule: Schedule | None = None) -> None:
        self._schedule = schedule
        self._lock = Lock()
        self._start: float | None = None
        self._open: defaultdict[int, Second] = defaultdict(Second)
        self._dirty: set[int] = set()
        self._closed_before = 0
        self._newest = 0
        self._totals: defaultdict[str, Cell] = defaultdict(Cell)
        self.intended = Sketch()
        self.lag = Sketch()
        # Of each closed second: requests answered as expected, the p95 of all (ms), and how many
        # were at work at once: rate x mean latency (Little, 1961).
        self.per_second: dict[int, tuple[int, float | None, float]] = {}
        self.dropped = 0
        # By iteration: what was sent and not answered yet.
        self._pending: dict[int, Departure] = {}
        self._newest_at = 0.0
        self.unanswered = 0
        self.peak_vus = 0
        self.first_at: float | None = None
        self.last_at: float | None = None

    def record(self, event: Event) -> None:
        with self._lock:
            self._newest_at = max(self._newest_at, event.at)
            if isinstance(event, Departure):
                self._pending[event.iteration] = event
                return
            number = self._second(event)
            if number is None:
                return
            second = self._open[number]
            self._dirty.add(number)
            if isinstance(event, Timing):
                _count(second.routes[event.route], event)
            elif isinstance(event, Intended):
                if event.iteration is not None:
                    self._pending.pop(event.iteration, None)
                cell = second.routes[event.route]
                self._note_scheduled(cell, event)
                cell.cache_hits += event.cache == "HIT"
                cell.cache_misses += event.cache == "MISS"
            elif isinstance(event, WrongBody):
                second.routes[event.route].errors += 1
            elif isinstance(event, Dropped):
                if self._schedule is not None:
                    self._schedule.note_dropped(event.at, event.number)
                second.dropped += event.number
                self.dropped += event.number
            else:
                second.vus = max(second.vus, event.number)
                self.peak_vus = max(self.peak_vus, event.number)

    def follow(self, schedule: Schedule) -> None:
        """Go on with the requests of another generator, which has its own ``schedule``."""
        with self._lock:
            self._schedule = schedule
            # Of a load that was ended early, and numbered its iterations from 0 as well.
            self._pending.clear()

    def count_unanswered(self) -> None:
        """Count what was sent and had no answer at the end of the generator, which came by itself.

        k6 has no row for such a request. It took at least until the newest row: a lower bound of
        its time, which proves no budget kept and may prove one broken.
        """
        with self._lock:
            pending, at = list(self._pending.values()), self._newest_at
            self._pending.clear()
            if not pending:
                return
            if self._start is None:
                self._start = at
            number = max(int(at - self._start), self._closed_before, 0)
            self._newest = max(self._newest, number)
            self._dirty.add(number)
            second = self._open[number]
            for sent in pending:
                began = sent.at if sent.start is None else sent.start.began_at
                waited_ms = max(0.0, at - began) * 1000
                cell = second.routes[sent.route]
                is_error = waited_ms >= _NO_ANSWER_S * 1000
                _count(cell, Timing(at, sent.route, waited_ms, is_error, unreachable=False))
                start = sent.start and sent.start._replace(took_ms=waited_ms)
                self._note_scheduled(cell, Intended(at, sent.route, waited_ms, "", start))
                self.first_at = began if self.first_at is None else min(began, self.first_at)
                self.last_at = began if self.last_at is None else max(began, self.last_at)
            second.unanswered += len(pending)
            self.unanswered += len(pending)

    def take_changed[T](
        self, read: Callable[[int, Second], Iterable[T]], *, final: bool = False
    ) -> list[T]:
        """Return what ``read`` makes of the seconds that changed since the last call.

        ``read`` must be done with a second when it returns: the next event changes it. Settled
        seconds are closed; ``final`` closes all.
        """
        with self._lock:
            changed = [
                made for number in sorted(self._dirty) for made in read(number, self._open[number])
            ]
            self._dirty.clear()
            horizon = self._newest + 1 if final else self._newest - _SETTLED_AFTER_S
            for number in [n for n in self._open if n < horizon]:
                self._close(number, self._open.pop(number))
            self._closed_before = max(self._closed_before, horizon)
            return changed

    def _note_scheduled(self, cell: Cell, event: Intended) -> None:
        ms = event.ms
        if self._schedule is not None and event.start is not None:
            lag_ms = self._schedule.lag_ms(event.start)
            self.lag.record(lag_ms)
            ms = lag_ms + event.start.took_ms
        self.intended.record(ms)
        cell.scheduled.record(ms)

    def _close(self, number: int, second: Second) -> None:
        overall = second.overall()
        good = overall.requests - overall.errors
        # Those without an answer were at work in other seconds.
        at_work = overall.requests * (overall.latency.mean() or 0.0) / 1000
        if second.unanswered:
            at_work = 0.0
        self.per_second[number] = (good, overall.latency.quantile(0.95), at_work)
        for route, cell in second.routes.items():
            self._totals[route].add(cell)

    def routes(self) -> Iterator[tuple[str, Cell]]:
        """Yield each route's total over the closed seconds, all together (``ALL``) first."""
        yield ALL, _sum(self._totals.values())
        yield from sorted(self._totals.items())

    def so_far(self, route: str) -> Cell:
        """Return what was measured of ``route`` until now, open seconds included."""
        with self._lock:
            cells = [each.routes[route] for each in self._open.values() if route in each.routes]
            closed = [self._totals[route]] if route in self._totals else []
            return _sum([*closed, *cells])

    def over_time(self) -> tuple[list[int], list[float | None]]:
        """Return, for each second with a request, the good answers and the p95 in ms."""
        closed = [self.per_second[number] for number in sorted(self.per_second)]
        return [good for good, *_ in closed], [p95 for _, p95, _ in closed]

    def by_concurrency(self) -> list[tuple[float, float]]:
        """Return, for each second with a request, how many were at work and the good answers."""
        return [(at_work, float(good)) for good, _, at_work in self.per_second.values()]

    @property
    def window_s(self) -> float:
        """Seconds from the first to the last request."""
        if self.first_at is None or self.last_at is None:
            return 0.0
        return self.last_at - self.first_at

    def _second(self, event: Event) -> int | None:
        if isinstance(event, Timing):
            # The row is written when the request has ended.
            began = event.at - event.ms / 1000
            self.first_at = began if self.first_at is None else min(began, self.first_at)
            self.last_at = event.at if self.last_at is None else max(event.at, self.last_at)
        if self._start is None:
            if not isinstance(event, Timing | Dropped):
                return None
            self._start = event.at
        number = max(int(event.at - self._start), self._closed_before, 0)
        self._newest = max(self._newest, number)
        return number


def _count(cell: Cell, event: Timing) -> None:
    cell.requests += 1
    cell.errors += event.error
    cell.unreachable += event.unreachable
    cell.latency.record(event.ms)


def _sum(cells: Iterable[Cell]) -> Cell:
    total = Cell()
    for cell in cells:
        total.add(cell)
    return total
