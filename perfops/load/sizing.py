"""A scenario at another rate, or for another time, than its file says."""

import math
from dataclasses import replace
from typing import Any

import msgspec

from perfops.conf import conf
from perfops.load.scenarios import Plan, Stage

MOST_VUS = 4_000
_SHORTEST_S = 0.001


class SizeRefused(ValueError):
    """The scenario can't be had in this size; the message says what to do."""


class Size(msgspec.Struct, frozen=True):
    """``rate``: the highest, in requests/s; ``seconds``: of the whole plan. None: as the file says.

    ``LoadRun.plan`` keeps it under "size".
    """

    rate: float | None = None
    seconds: float | None = None

    def __bool__(self) -> bool:
        return self.rate is not None or self.seconds is not None


def sized(plan: Plan, size: Size) -> Plan:
    """Return ``plan`` with its shape kept: all rates by one factor, all stages by another.

    Raises ``SizeRefused``.
    """
    check_caps(size.rate, size.seconds)
    rates = 1.0 if size.rate is None else size.rate / plan.peak_rate
    times = 1.0 if size.seconds is None else size.seconds / plan.duration_s
    # Tenths: as the script can have it.
    stages = tuple(
        Stage(max(_SHORTEST_S, round(stage.seconds * times, 3)), round(stage.rate * rates, 1))
        for stage in plan.spec.stages
    )
    vus = math.ceil(plan.spec.max_vus * max(1.0, rates))
    spec = msgspec.structs.replace(
        plan.spec, start_rate=round(plan.spec.start_rate * rates, 1), stages=stages,
        max_vus=max(plan.spec.max_vus, min(MOST_VUS, vus)),
    )  # fmt: skip
    return replace(plan, spec=spec)


def as_row(plan: Plan, size: Size) -> dict[str, Any]:
    """Return what ``LoadRun.plan`` keeps. Raises ``SizeRefused``."""
    if not size:
        return plan.as_row()
    return {**sized(plan, size).as_row(), "size": msgspec.to_builtins(size)}


def of_run(plan: Plan, row: dict[str, Any]) -> Plan:
    """Return ``plan`` in the size that the run with the plan ``row`` was asked for in."""
    stored = row.get("size")
    return plan if stored is None else sized(plan, msgspec.convert(stored, Size))


def check_caps(rate: float | None, seconds: float | None) -> None:
    """Refuse load above ``PERFOPS["MAX_RATE"]`` or longer than ``PERFOPS["MAX_SECONDS"]``.

    Whatever starts load comes by here: the highest rate (requests/s) that a plan sends or a search
    tries, and its duration (s). None is not asked for. Raises ``SizeRefused``.
    """
    _within(rate, conf().MAX_RATE, "rate", "req/s", "MAX_RATE")
    _within(seconds, conf().MAX_SECONDS, "duration", "s", "MAX_SECONDS")


def _within(value: float | None, most: float, name: str, unit: str, setting: str) -> None:
    # NaN is not within either.
    if value is not None and not 1 <= value <= most:
        raise SizeRefused(
            f"The {name} must be from 1 to {most:,.0f} {unit}, and {value:,g} was asked for "
            f"(PERFOPS[{setting!r}])."
        )
