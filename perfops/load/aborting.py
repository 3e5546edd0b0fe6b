"""What ends a run early that breaks a budget: k6's thresholds, and a watch over single routes."""

import math
import time
from typing import Any

import msgspec

from perfops.load.recording import Recording
from perfops.load.scenarios import Scenario
from perfops.load.schedule import Schedule
from perfops.load.validity import requests_for
from perfops.load.windows import ERRORS, QUANTILES, Bound

# A share of errors takes as many requests as a p95.
_SHARE = 0.95
# What was asked for is answered a little later.
_LATE_S = 2.0


class Abort(msgspec.Struct, frozen=True):
    """End the run when what it measured so far breaks a bound; not before ``after_s``.

    ``LoadRun.plan`` keeps it under "abort".
    """

    bounds: tuple[Bound, ...]
    after_s: float


def of_plan(row: dict[str, Any]) -> Abort | None:
    """Return what ends a run early, by its plan; None for an ordinary run."""
    stored = row.get("abort")
    return None if stored is None else msgspec.convert(stored, Abort)


def thresholds(abort: Abort | None, plan: Scenario) -> dict[str, list[dict[str, Any]]]:
    """Return k6's option ``thresholds``, by metric; none ends a run that is too short to be judged.

    The time is that from sending on: k6 does not know how late a request was sent where others
    were dropped. It is never above the time that budgets judge, so what ends a run breaks its
    budget as well. Budgets of one route are watched by ``Watch``: k6 can't name every route.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    if abort is None:
        return found
    for bound in abort.bounds:
        if not bound.route:
            metric, text = _written(bound)
            enough = requests_for(QUANTILES.get(bound.quantity, _SHARE)) / plan.session_requests
            after_s = max(abort.after_s, Schedule(plan).start_of(enough) + _LATE_S)
            how = {"abortOnFail": True, "delayAbortEval": f"{math.ceil(after_s)}s"}
            found.setdefault(metric, []).append({"threshold": text, **how})
    return found


class Watch:
    """Says whether a run that goes on has broken a budget of one route: asked once a second.

    By the same figure as budgets are: from the scheduled start, of all that was measured so far.
    ``broken``: as a sentence, "" while none is.
    """

    def __init__(self, abort: Abort | None, recording: Recording) -> None:
        self.broken = ""
        self._recording = recording
        self._after_s = abort.after_s if abort else 0.0
        self._bounds = [each for each in abort.bounds if each.route] if abort else []

    def is_broken(self) -> bool:
        began = self._recording.first_at
        if self.broken or began is None or time.time() - began < self._after_s:
            return bool(self.broken)
        for bound in self._bounds:
            cell = self._recording.so_far(bound.route)
            if cell.requests >= requests_for(QUANTILES.get(bound.quantity, _SHARE)):
                value = bound.value(cell)
                if value is not None and value >= bound.most:
                    self.broken = f"{bound.name} was {bound.text(value)}"
                    return True
        return False


def _written(bound: Bound) -> tuple[str, str]:
    # What setup() asks for is not the load.
    if bound.quantity == ERRORS:
        return "http_req_failed{scenario:load}", f"rate<{bound.most:g}"
    quantile = QUANTILES[bound.quantity] * 100
    return "http_req_duration{scenario:load}", f"p({quantile:g})<{bound.most:g}"
