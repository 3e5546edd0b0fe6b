"""Another rate for a run that goes on: k6 can't change that of its plan, so another k6 goes on."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from perfops.load.recording import Recording
from perfops.load.scenarios import Plan, Scenario, Stage
from perfops.load.schedule import Schedule
from perfops.load.sizing import MOST_VUS
from perfops.models.runs import LoadRun

# What is left of the plan must be worth a start of k6.
LEAST_LEFT_S = 5.0
_STEP_S = 0.001
CHANGES = "rate_changes"


class Change(msgspec.Struct, frozen=True):
    """The rate was changed at ``second`` of the run: requests/s, before and now; ``by`` whom.

    ``LoadRun.plan`` and its summary keep a list of them under ``CHANGES``.
    """

    second: float
    before: float
    now: float
    by: str

    def sentence(self) -> str:
        whose = f" by {self.by}" if self.by else ""
        return f"at {self.second:.0f} s from {self.before:,.4g} to {self.now:,.4g} req/s{whose}"


class Wish(msgspec.Struct, frozen=True):
    """What ``LoadRun.wanted_rate`` keeps. ``at``: Unix time, so that two are never taken for one.

    ``rate``: requests/s.
    """

    rate: float
    by: str
    at: float


class Load(Protocol):
    """Sends by a plan until its end, or until ``may_end`` says so."""

    def __call__(self, plan: Plan, *, may_end: Callable[[], bool]) -> None: ...


def of_row(row: dict[str, Any]) -> list[Change]:
    """Return the changes that a run's plan or summary keeps, in order."""
    return msgspec.convert(row.get(CHANGES, []), list[Change])


def without_effect(run: LoadRun) -> str:
    """Say that the last wish for another rate came too late for a run that has ended; "": none.

    A run needs ``LEAST_LEFT_S`` seconds of its plan for a change.
    """
    if run.is_active or run.wanted_rate is None:
        return ""
    wish = msgspec.convert(run.wanted_rate, Wish)
    changes = of_row(run.plan)
    if changes and (changes[-1].now, changes[-1].by) == (wish.rate, wish.by):
        return ""
    whose = f" by {wish.by}" if wish.by else ""
    at = datetime.fromtimestamp(wish.at, UTC)
    return (
        f"{wish.rate:,.4g} req/s{whose}, asked for at {at:%H:%M:%S} UTC, had no effect: the run "
        f"ended first, or had less than {LEAST_LEFT_S:.0f} s left."
    )


def rate_at(plan: Scenario, second: float) -> float:
    """Return the rate of ``plan`` (arrivals/s) at ``second``; after its end the last one."""
    rate = plan.start_rate
    for stage in plan.stages:
        if second < stage.seconds:
            return rate + (stage.rate - rate) * max(0.0, second) / stage.seconds
        second, rate = second - stage.seconds, stage.rate
    return rate


def cut(plan: Scenario, seconds: float) -> tuple[Stage, ...]:
    """Return the stages of ``plan`` up to ``seconds`` after its start."""
    found: list[Stage] = []
    rate, left = plan.start_rate, seconds
    for stage in plan.stages:
        if left <= stage.seconds:
            end = rate + (stage.rate - rate) * left / stage.seconds
            return (*found, Stage(left, end)) if left > 0 else tuple(found)
        found.append(stage)
        left, rate = left - stage.seconds, stage.rate
    return tuple(found)


@dataclass(slots=True)
class Steering:
    """Sends by a plan, and at another rate from where somebody wishes so.

    ``wish``: asked once a second. ``note``: takes each change. ``sent``: the stages as they were
    sent, for what was planned.
    """

    plan: Plan
    recording: Recording
    wish: Callable[[], Wish | None]
    note: Callable[[Change], None]
    changes: list[Change] = field(default_factory=list)
    sent: list[Stage] = field(default_factory=list)
    _met: Wish | None = None

    def run(self, load: Load, may_end: Callable[[], bool]) -> None:
        """Send to the plan's end, or until ``may_end``."""
        plan, began = self.plan, 0.0
        while True:
            load(plan, may_end=lambda: may_end() or self._is_new())
            passed = self._second() - began
            wish = self.wish()
            if wish is None or not self._is_new() or may_end():
                self.sent += plan.spec.stages
                return
            self._met = wish
            self.sent += cut(plan.spec, passed)
            per_session = plan.spec.session_requests
            before = rate_at(plan.spec, passed) * per_session
            self.changes.append(Change(round(self._second(), 1), before, wish.rate, wish.by))
            self.note(self.changes[-1])
            plan = self._next(plan, wish.rate)
            # k6 takes no stage of no time: the step is as short as it can be.
            self.sent.append(Stage(_STEP_S, plan.spec.start_rate))
            began = self._second()
            self.recording.follow(Schedule(plan.spec))

    def planned(self) -> Plan:
        """Return the plan as it was sent."""
        if not self.changes:
            return self.plan
        spec = msgspec.structs.replace(self.plan.spec, stages=tuple(self.sent))
        return replace(self.plan, spec=spec)

    def as_row(self) -> dict[str, Any]:
        """Return what ``LoadRun.summary`` keeps; empty where nothing was changed."""
        return {CHANGES: msgspec.to_builtins(self.changes)} if self.changes else {}

    def _next(self, plan: Plan, rate: float) -> Plan:
        arrivals = round(rate / plan.spec.session_requests, 1)
        left = max(LEAST_LEFT_S, round(self.plan.duration_s - self._second(), 3))
        more = max(1.0, rate / self.plan.peak_rate)
        vus = max(plan.spec.max_vus, min(MOST_VUS, math.ceil(self.plan.spec.max_vus * more)))
        spec = msgspec.structs.replace(
            plan.spec, start_rate=arrivals, stages=(Stage(left, arrivals),), max_vus=vus
        )
        return replace(plan, spec=spec)

    def _is_new(self) -> bool:
        """Say whether there is a wish that is not met yet, and time left for it."""
        wish = self.wish()
        if wish is None or wish == self._met or self.recording.first_at is None:
            return False
        return self.plan.duration_s - self._second() >= LEAST_LEFT_S

    def _second(self) -> float:
        began = self.recording.first_at
        return 0.0 if began is None else time.time() - began
