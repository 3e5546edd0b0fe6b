"""k6's CSV output, row by row, as typed events. k6 1.x and 2.x write the same columns."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

from perfops.load.schedule import Start

_WORDS = re.compile(r"[A-Za-z]+")
# nginx serves these from its cache; the others are asked for at the origin.
_HITS = {"HIT", "REFRESHHIT", "STALE", "UPDATING", "REVALIDATED"}
_MISSES = {"MISS", "EXPIRED"}


def cache_outcome(header: str) -> str:
    """Return what ``X-Cache`` says: HIT, MISS, or "" where the last hop says neither.

    Forms: ``HIT`` (nginx, Varnish), ``Hit from cloudfront``, ``MISS, HIT`` (Fastly: one word per
    hop, the one nearest to the client last), ``TCP_MEM_HIT from a123`` (Akamai, Squid).
    """
    last_hop = header.rpartition(",")[2]
    words = {word.upper() for word in _WORDS.findall(last_hop)}
    if words & _MISSES:
        return "MISS"
    return "HIT" if words & _HITS else ""


_MICROSECONDS = 1_000_000
_TIMING, _SENT, _INTENDED, _WRONG_BODY, _DROPPED, _VUS = (
    "http_req_duration",
    "sent_requests",
    "intended_duration",
    "wrong_bodies",
    "dropped_iterations",
    "vus",
)
_WANTED = (_TIMING, _SENT, _INTENDED, _WRONG_BODY, _DROPPED, _VUS)
_COLUMNS = {
    "metric_name", "timestamp", "metric_value", "error_code", "expected_response", "name",
    "scenario", "status", "extra_tags", "metadata",
}  # fmt: skip
_FIRST_CONNECTION_ERROR, _LAST_CONNECTION_ERROR = 1000, 1399
_ITERATION = "iteration"
_STARTED = ("n", "at", "scenario_at")
_TOOK = "took"


class UnknownStream(ValueError):
    """The header is not one of k6's CSV output with our system tags."""


class Timing(NamedTuple):
    """A request was answered, or failed: ``ms`` from sending to the last byte."""

    at: float
    route: str
    ms: float
    error: bool
    unreachable: bool


class Departure(NamedTuple):
    """A request is being sent by ``iteration``, which waits for its answer before the next.

    ``start``: its place in the schedule, where it has one; nothing is known of how long it takes.
    """

    at: float
    route: str
    iteration: int
    start: Start | None = None


class Intended(NamedTuple):
    """The same request timed from its scheduled start, as far as the script knows it.

    ``start``: what the schedule needs to know it exactly. ``cache``: HIT, MISS or "".
    ``iteration``: whose request ``Departure`` it ends; None where a script says none.
    """

    at: float
    route: str
    ms: float
    cache: str
    start: Start | None = None
    iteration: int | None = None


class WrongBody(NamedTuple):
    """A request got the status that was expected, and a body that was not."""

    at: float
    route: str


class Dropped(NamedTuple):
    """Iterations that k6 could not start: no VU was free."""

    at: float
    number: int


class Vus(NamedTuple):
    """VUs that are at work."""

    at: float
    number: int


Event = Timing | Departure | Intended | WrongBody | Dropped | Vus


def events(lines: Iterable[str]) -> Iterator[Event]:
    """Parse a stream, header first. Rows of other metrics, and of ``setup``, are passed over.

    So is the end of a row that a killed k6 did not finish. Raises ``UnknownStream``.
    """
    rows = csv.reader(line for line in lines if line.endswith("\n"))
    header = next(rows, [])
    if not header:
        return
    if not set(header) >= _COLUMNS:
        raise UnknownStream(f"k6 writes other columns than expected: {header}")
    place = {name: header.index(name) for name in _COLUMNS}
    for row in rows:
        if len(row) == len(header) and row[place["metric_name"]] in _WANTED:
            event = _event({name: row[column] for name, column in place.items()})
            if event is not None:
                yield event


def _event(cells: dict[str, str]) -> Event | None:
    metric = cells["metric_name"]
    at = int(cells["timestamp"]) / _MICROSECONDS
    value = float(cells["metric_value"])
    if metric == _DROPPED:
        return Dropped(at, int(value))
    if metric == _VUS:
        return Vus(at, int(value))
    if not cells["scenario"]:
        return None  # setup() looks for ids: that is not the load
    route = cells["name"]
    if metric == _INTENDED:
        _, _, cache = cells["extra_tags"].partition("cache=")
        noted = dict(parse_qsl(cells["metadata"]))
        return Intended(
            at, route, value, cache_outcome(cache), _start(noted, needs=_TOOK), _iteration(noted)
        )
    if metric == _SENT:
        noted = dict(parse_qsl(cells["metadata"]))
        iteration = _iteration(noted)
        return None if iteration is None else Departure(at, route, iteration, _start(noted))
    if metric == _WRONG_BODY:
        return WrongBody(at, route)
    code = cells["error_code"]
    return Timing(
        at,
        route,
        value,
        error=cells["expected_response"] != "true",
        unreachable=_is_connection_error(code),
    )


def _start(noted: Mapping[str, str], *, needs: str = "n") -> Start | None:
    """Read what ``run.js`` notes of each request; None where a script of the project does not."""
    if not noted.keys() >= {*_STARTED, needs}:
        return None
    number, began_ms, scenario_ms = (float(noted[name]) for name in _STARTED)
    return Start(int(number), began_ms / 1000, scenario_ms / 1000, float(noted.get(_TOOK, 0)))


def _iteration(noted: Mapping[str, str]) -> int | None:
    return int(noted[_ITERATION]) if _ITERATION in noted else None


def _is_connection_error(code: str) -> bool:
    """k6's codes 1000-1399: name, TCP, TLS and unclassified network errors."""
    return code.isdecimal() and _FIRST_CONNECTION_ERROR <= int(code) <= _LAST_CONNECTION_ERROR
