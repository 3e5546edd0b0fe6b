"""What the target says of itself while a run loads it, and what of it was full first."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

from perfops.load import target_endpoint, targets

INTERVAL_S = 1.0
# It waits as any request does: what takes longer says that the target is full as well.
TIMEOUT_S = 10.0
RESOURCES = {
    "cpu": "CPU",
    "memory": "memory",
    "pool": "database connections",
    "threads": "threads",
    "queue": "queue of requests",
}
FULL = 0.95
# So many looks in a row: one may have met a moment.
_IN_A_ROW = 3


class NoFigures(Exception):
    """The target says nothing of itself; the message says why."""


def ask(url: str, secret: str, *, query: str = "") -> dict[str, Any]:
    """Return what the target at ``url`` says. Raises ``NoFigures``."""
    if not secret:
        raise NoFigures('PERFOPS["TARGET_SECRET"] is not set')
    path = f"{target_endpoint.PATH}{query}"
    request = urllib.request.Request(  # noqa: S310 -- http or https: the target was checked
        f"{url}{path}", headers=target_endpoint.headers(secret, path, time.time())
    )
    try:
        with targets.DIRECT.open(request, timeout=TIMEOUT_S) as answer:
            found = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            raise NoFigures(_why(error)) from error
    except (OSError, ValueError) as error:
        raise NoFigures(f"{target_endpoint.PATH} did not answer: {error}") from error
    if not isinstance(found, dict) or "cores" not in found:
        raise NoFigures(f"{target_endpoint.PATH} did not answer with figures")
    return found


def _why(error: urllib.error.HTTPError) -> str:
    if error.code == 404:
        return (
            f"it has no {target_endpoint.PATH}, or another PERFOPS['TARGET_SECRET']: mount "
            "perfops.load.target_endpoint.target_figures there"
        )
    try:
        return str(json.load(error)["error"])
    except (OSError, ValueError, LookupError, TypeError):
        return f"{target_endpoint.PATH} answered {error.code}"


@dataclass(frozen=True, slots=True)
class Look:
    """``at``: Unix time of the generator; ``shares``: how full each resource was, 0 to 1."""

    at: float
    shares: dict[str, float]


class TargetWatch:
    """Asks the target once a second from ``start`` to ``finish``, in a thread of its own."""

    def __init__(self, url: str, secret: str) -> None:
        self.looks: list[Look] = []
        self.unanswered = 0
        self._url, self._secret = url, secret
        self._before: tuple[float, float] | None = None
        self._ended = Event()
        self._thread = Thread(target=self._work, name="perfops-target", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(TIMEOUT_S + INTERVAL_S)

    def _work(self) -> None:
        while not self._ended.is_set():
            try:
                said = ask(self._url, self._secret)
                self.note(said, time.time())
            except (NoFigures, LookupError, TypeError, ValueError, ZeroDivisionError):
                # Figures that are none cost one look, as no answer does.
                self.unanswered += 1
            self._ended.wait(INTERVAL_S)

    def note(self, said: dict[str, Any], now: float) -> None:
        """Take in what came at Unix time ``now``, by our clock: the target has one of its own.

        CPU is the share that was used since the answer before.
        """
        at, cpu_s = float(said["at"]), float(said["cpu_s"])
        shares = {name: float(said[name]) for name in RESOURCES if name in said}
        if self._before is not None and at > self._before[0]:
            used = (cpu_s - self._before[1]) / (at - self._before[0])
            shares["cpu"] = min(1.0, max(0.0, used / float(said["cores"])))
        self._before = (at, cpu_s)
        self.looks.append(Look(now, shares))


def as_row(looks: Sequence[Look], unanswered: int, first_at: float | None) -> dict[str, Any]:
    """Return what ``LoadRun.server`` keeps under "target"; seconds count from ``first_at``."""
    during = [look for look in looks if first_at is not None and look.at >= first_at]
    start = first_at or 0.0
    names = [name for name in RESOURCES if any(name in look.shares for look in during)]
    first = full_first(during)
    return {
        "seconds": [round(look.at - start, 1) for look in during],
        "shares": {name: [look.shares.get(name) for look in during] for name in names},
        "first": None if first is None else [first[0], round(first[1] - start, 1)],
        "unanswered": unanswered,
    }


def full_first(looks: Sequence[Look]) -> tuple[str, float] | None:
    """Return the resource that was full (95%) first, in three looks in a row, and since when."""
    found = []
    for name in RESOURCES:
        row = 0
        for n, look in enumerate(looks):
            row = row + 1 if look.shares.get(name, 0.0) >= FULL else 0
            if row == _IN_A_ROW:
                found.append((looks[n - _IN_A_ROW + 1].at, name))
                break
    if not found:
        return None
    at, name = min(found)
    return name, at
