"""When each request of a run should have started, by the plan and the generator's clock."""

import math
from bisect import bisect_right
from typing import NamedTuple

from perfops.load.scenarios import Scenario


class Start(NamedTuple):
    """A request as the script saw it. ``number``: iterations that began before it, dropped ones
    not counted; ``began_at`` and ``scenario_at``: Unix time (s); ``took_ms``: until its last byte.
    """

    number: int
    began_at: float
    scenario_at: float
    took_ms: float


class Schedule:
    """The scheduled starts of ``plan``; iterations that were dropped take up theirs.

    k6 numbers the iterations that it starts. One that finds no free VU is dropped: it gets no
    number, and its place in the schedule is used up all the same.
    """

    def __init__(self, plan: Scenario) -> None:
        self._plan = plan
        self._dropped_at: list[float] = []
        self._dropped_until: list[int] = []

    def note_dropped(self, at: float, number: int) -> None:
        """Take note of iterations dropped at Unix time ``at``; calls come in order of time."""
        before = self._dropped_until[-1] if self._dropped_until else 0
        if self._dropped_at:
            at = max(at, self._dropped_at[-1])
        self._dropped_at.append(at)
        self._dropped_until.append(before + number)

    def lag_ms(self, start: Start) -> float:
        """Return how long after its scheduled start the request was sent; 0 where it was early."""
        place = bisect_right(self._dropped_at, start.began_at)
        dropped = self._dropped_until[place - 1] if place else 0
        # k6 starts iteration n when n + 1 arrivals have come, not n.
        due = start.scenario_at + self.start_of(start.number + dropped + 1)
        return max(0.0, (start.began_at - due) * 1000)

    def start_of(self, arrivals: float) -> float:
        """Return the seconds from the scenario's start until ``arrivals`` were planned.

        The inverse of the area under the rate, which is linear within a stage.
        """
        rate, arrived, passed = self._plan.start_rate, 0.0, 0.0
        for stage in self._plan.stages:
            in_stage = (rate + stage.rate) / 2 * stage.seconds
            if arrivals < arrived + in_stage:
                slope = (stage.rate - rate) / stage.seconds
                return passed + _seconds_for(arrivals - arrived, rate, slope)
            arrived, passed, rate = arrived + in_stage, passed + stage.seconds, stage.rate
        return passed


def _seconds_for(count: float, rate: float, slope: float) -> float:
    """Solve rate * t + slope * t^2 / 2 = count for t."""
    if slope == 0:
        return count / rate
    return (math.sqrt(max(0.0, rate * rate + 2 * slope * count)) - rate) / slope
