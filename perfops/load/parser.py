"""k6's CSV output, row by row, as typed events. k6 1.x and 2.x write the same columns."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

_MICROSECONDS = 1_000_000
_TIMING, _INTENDED, _DROPPED, _VUS = (
    "http_req_duration",
    "intended_duration",
    "dropped_iterations",
    "vus",
)
_WANTED = tuple(f"{name}," for name in (_TIMING, _INTENDED, _DROPPED, _VUS))
_COLUMNS = {
    "metric_name", "timestamp", "metric_value", "error_code", "expected_response", "name",
    "scenario", "status", "extra_tags",
}  # fmt: skip
_FIRST_CONNECTION_ERROR, _LAST_CONNECTION_ERROR = 1000, 1399


class UnknownStream(ValueError):
    """The header is not one of k6's CSV output with our system tags."""


class Timing(NamedTuple):
    """A request was answered, or failed: ``ms`` from sending to the last byte."""

    at: float
    route: str
    ms: float
    error: bool
    unreachable: bool


class Intended(NamedTuple):
    """The same request timed from the moment it was due; ``cache`` is its X-Cache header."""

    at: float
    route: str
    ms: float
    cache: str


class Dropped(NamedTuple):
    """Iterations that k6 could not start: no VU was free."""

    at: float
    number: int


class Vus(NamedTuple):
    """VUs that are at work."""

    at: float
    number: int


Event = Timing | Intended | Dropped | Vus


def events(lines: Iterable[str]) -> Iterator[Event]:
    """Parse a stream, header first. Rows of other metrics, and of ``setup``, are passed over.

    Raises ``UnknownStream``.
    """
    rows = iter(lines)
    header = next(rows, "").rstrip("\n").split(",")
    if header == [""]:
        return
    if not set(header) >= _COLUMNS:
        raise UnknownStream(f"k6 writes other columns than expected: {header}")
    place = {name: header.index(name) for name in _COLUMNS}
    for row in rows:
        if row.startswith(_WANTED):
            event = _event(row.rstrip("\n").split(","), place)
            if event is not None:
                yield event


def _event(cells: list[str], place: dict[str, int]) -> Event | None:
    metric = cells[0]
    at = int(cells[place["timestamp"]]) / _MICROSECONDS
    value = float(cells[place["metric_value"]])
    if metric == _DROPPED:
        return Dropped(at, int(value))
    if metric == _VUS:
        return Vus(at, int(value))
    if not cells[place["scenario"]]:
        return None  # setup() looks for ids: that is not the load
    route = cells[place["name"]]
    if metric == _INTENDED:
        _, _, cache = cells[place["extra_tags"]].partition("cache=")
        return Intended(at, route, value, cache.partition("&")[0])
    code = cells[place["error_code"]]
    return Timing(
        at,
        route,
        value,
        error=cells[place["expected_response"]] != "true",
        unreachable=_is_connection_error(code),
    )


def _is_connection_error(code: str) -> bool:
    """k6's codes 1000-1399: name, TCP, TLS and unclassified network errors."""
    return code.isdecimal() and _FIRST_CONNECTION_ERROR <= int(code) <= _LAST_CONNECTION_ERROR
