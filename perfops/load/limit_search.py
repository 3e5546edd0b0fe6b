"""Seeking the highest rate within the budgets: a ramp, then holds, each a load by k6 of its own."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import msgspec

from perfops.load import targets
from perfops.load.recording import Recording
from perfops.load.scenarios import Plan, Stage
from perfops.load.schedule import Schedule
from perfops.load.summary import Summary
from perfops.load.windows import Bound, Outcome, Windows
from perfops.statistics import limits
from perfops.statistics.limits import Hold, Limit

_WINDOW_S = 3.0
_RAMP_FACTOR = 1.4
# A hold: its first windows fill the queue and are not judged.
_HOLD_WINDOWS, _SKIPPED = 7, 1
# So many windows in a row end a load that is beyond the limit.
_ENDS_AFTER = 2
# Rows of k6 come up to a second late.
_SETTLED_S = 1.5
# What a server still has in its queue after a load, it may work off (s).
_REST_S = 20.0
_QUICK_S = 0.5
_MOST_VUS, _LEAST_VUS = 4_000, 50
# k6 begins with VUs for answers that take this long, and makes more where they are needed.
_ROOM_S = 0.2
_OVERHEAD_S = 4.0


class Search(msgspec.Struct, frozen=True):
    """What ``LoadRun.plan`` keeps under "find_limit": the bounds, and where the search ends.

    ``ceiling``: the highest rate (requests/s) that is tried; ``minutes``: no hold begins after.
    """

    bounds: tuple[Bound, ...]
    ceiling: float
    minutes: float


class LimitRefused(ValueError):
    """The limit of this scenario can't be sought; the message says what to do."""


def planned(plan: Plan, search: Search) -> dict[str, Any]:
    """Return what ``LoadRun.plan`` keeps. Raises ``LimitRefused``."""
    if not search.bounds:
        raise LimitRefused(
            "No budget on latency or errors is enabled: there is nothing to seek a limit within."
        )
    if plan.spec.session_requests != 1:
        raise LimitRefused(
            f"{plan.scenario} sends sessions with time to think: the limit is sought with a "
            "scenario whose arrivals are single requests."
        )
    duration_s = search.minutes * 60
    return {
        **plan.as_row(),
        "duration_s": duration_s,
        "requests": 0,
        "peak_rate": search.ceiling,
        "judged": False,
        "stages": [],
        "find_limit": msgspec.to_builtins(search),
    }


def of_plan(row: dict[str, Any]) -> Search | None:
    """Return the search of a run by its plan; None for an ordinary run."""
    stored = row.get("find_limit")
    return None if stored is None else msgspec.convert(stored, Search)


def without_plan(summary: Summary, search: Search) -> Summary:
    """Return the figures of a search: it plans no number of requests, and ends what is too much."""
    return replace(
        summary, offered=float(summary.requests), achieved=1.0, offered_rate=search.ceiling
    )


# Sends by this plan into the recording until it ends, or ``may_end`` says so (asked each second).
Load = Callable[[Plan, Windows, Callable[[], bool]], None]


@dataclass(slots=True)
class LimitSearch:
    """A search under way: ``outcomes`` of its loads, each with when it began and ended (Unix)."""

    plan: Plan
    search: Search
    target: str
    recording: Recording
    load: Load
    # Whether a generator ended as it should not: no load of another one makes up for that.
    is_broken: Callable[[], bool] = bool
    outcomes: list[Outcome] = field(default_factory=list)
    times: list[tuple[float, float]] = field(default_factory=list)

    def run(self) -> Limit:
        """Seek the limit, and return it."""
        deadline = time.monotonic() + self.search.minutes * 60
        length_s = _WINDOW_S * _HOLD_WINDOWS + _OVERHEAD_S
        holds = limits.search(
            self._hold,
            self._ramp(),
            ceiling=self.search.ceiling,
            may_go_on=lambda: time.monotonic() + length_s < deadline and not self.is_broken(),
        )
        return limits.estimate(holds)

    def as_row(self, found: Limit) -> dict[str, Any]:
        """Return what ``LoadRun.summary`` keeps under "limit"."""
        names = [bound.name for bound in self.search.bounds]
        return {
            **found.as_row(),
            "ceiling": self.search.ceiling,
            "bounds": names,
            "holds": [asdict(each) for each in self.outcomes],
        }

    def beyond(self) -> list[tuple[float, float]]:
        """Return when the loads beyond the limit began and ended (Unix time)."""
        pairs = zip(self.outcomes, self.times, strict=True)
        return [span for outcome, span in pairs if outcome.within is False]

    def _ramp(self) -> list[Hold]:
        """Go up by a factor each window until one breaks a bound."""
        rates = _steps(max(1.0, self.plan.spec.start_rate), self.search.ceiling)
        stages = [Stage(_WINDOW_S, rate) for rate in rates]
        # k6 takes no stage of no time: the step up is as short as it can be.
        steps = [each for stage in stages for each in (Stage(0.001, stage.rate), stage)]
        found: list[Hold] = []

        def broken(windows: Windows, far: int) -> str:
            return windows.broken(far, rates[far] * _WINDOW_S)

        windows, span, _ = self._send(steps, len(rates), broken, ends_after=1)
        for number, rate in enumerate(rates):
            why = broken(windows, number)
            found.append(Hold(rate, not why))
            if why:
                break
        last = found[-1]
        self._note(
            Outcome(last.rate, _WINDOW_S * len(found), last.within, why or "", None, None), span
        )
        return found

    def _hold(self, wanted: float) -> bool | None:
        # As the script can have it.
        rate = round(wanted, 1)
        self._rest()
        seconds = _WINDOW_S * _HOLD_WINDOWS

        def broken(windows: Windows, far: int) -> str:
            return windows.broken(far, rate * _WINDOW_S) if far >= _SKIPPED else ""

        windows, span, count = self._send(
            [Stage(seconds, rate)], _HOLD_WINDOWS, broken, ends_after=_ENDS_AFTER
        )
        outcome = windows.outcome(rate, count * _WINDOW_S, skipped=_SKIPPED)
        self._note(outcome, span)
        return outcome.within

    def _send(
        self, stages: Sequence[Stage], count: int, broken: Callable[[Windows, int], str],
        *, ends_after: int,
    ) -> tuple[Windows, tuple[float, float], int]:  # fmt: skip
        """Send, and stop when ``ends_after`` windows in a row were broken.

        Returns the windows, when they began and ended (Unix time), and how many were sent in full.
        """
        plan = self._plan(stages)
        schedule = Schedule(plan.spec)
        self.recording.follow(schedule)
        windows = Windows(schedule, self.search.bounds, _WINDOW_S)
        state = {"next": 0, "row": 0}

        def may_end() -> bool:
            passed = windows.passed_s(time.time()) - _SETTLED_S
            while state["next"] < min(count, int(passed / _WINDOW_S)):
                state["row"] = state["row"] + 1 if broken(windows, state["next"]) else 0
                state["next"] += 1
            return state["row"] >= ends_after

        began = time.time()
        self.load(plan, windows, may_end)
        is_early = state["row"] >= ends_after
        return windows, (began, time.time()), state["next"] if is_early else count

    def _plan(self, stages: Sequence[Stage]) -> Plan:
        peak = max(stage.rate for stage in stages)
        latest_s = max([each.most / 1000 for each in self.search.bounds if each.most > 1] or [1.0])
        # All wait for twice as long as any bound: more VUs tell nothing more.
        vus = min(
            _MOST_VUS, max(_LEAST_VUS, self.plan.spec.max_vus, math.ceil(2 * peak * latest_s))
        )
        spec = msgspec.structs.replace(
            self.plan.spec, start_rate=stages[0].rate, stages=tuple(stages), max_vus=vus,
            room_s=_ROOM_S,
        )  # fmt: skip
        return replace(self.plan, spec=spec)

    def _note(self, outcome: Outcome, span: tuple[float, float]) -> None:
        self.outcomes.append(outcome)
        self.times.append(span)

    def _rest(self) -> None:
        """Wait until the target answers at once again."""
        deadline = time.monotonic() + _REST_S
        while time.monotonic() < deadline:
            began = time.monotonic()
            away = targets.unreachable(self.target)
            if away is None and time.monotonic() - began < _QUICK_S:
                return
            time.sleep(_QUICK_S)


def _steps(first: float, ceiling: float) -> list[float]:
    count = math.ceil(math.log(max(1.0, ceiling / first)) / math.log(_RAMP_FACTOR))
    return [*(round(first * _RAMP_FACTOR**n, 1) for n in range(count)), ceiling]
