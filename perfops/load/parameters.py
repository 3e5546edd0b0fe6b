"""A scenario with another mix of requests, or over other rows, than its files say."""

import math
from dataclasses import replace
from typing import Any

import msgspec

from perfops.load import routes
from perfops.load.scenarios import Plan

MOST_ROWS = 20_000
ORDERS = ("newest", "oldest", "random")


class ParametersRefused(ValueError):
    """The scenario can't be had with these; the message says what to do."""


class Parameters(msgspec.Struct, frozen=True):
    """``mix``: shares by part, what is not named is not asked for. ``rows``: how many different
    rows fill in paths; ``data_set``: which of them (one of ``ORDERS``). Empty: as the files say.

    ``LoadRun.plan`` keeps it under "parameters".
    """

    mix: dict[str, float] = {}
    rows: int | None = None
    data_set: str = ""

    def __bool__(self) -> bool:
        return bool(self.mix or self.rows or self.data_set)


def parts(plan: Plan) -> dict[str, float]:
    """Return the parts of the scenario's mix with their shares; empty where its script decides."""
    if plan.spec.mix:
        return dict(plan.spec.mix)
    if plan.routes is None or plan.routes.suffix != ".json":
        return {}
    return {name: route.share for name, route in routes.read(plan.routes).items()}


def parse_mix(text: str) -> dict[str, float]:
    """Return a mix written as lines of a part and its share. Raises ``ParametersRefused``."""
    found: dict[str, float] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, share = line.rpartition(" ")
        try:
            value = float(share)
        except ValueError:
            value = math.nan
        if not name or not 0 <= value < math.inf:
            raise ParametersRefused(f"{line!r} is no part and its share, such as: /orders/ 30")
        if name.strip() in found:
            raise ParametersRefused(f"{name.strip()} is there twice.")
        found[name.strip()] = value
    if found and not any(found.values()):
        raise ParametersRefused("At least one share must be above 0.")
    return {name: share for name, share in found.items() if share}


def check(plan: Plan, wanted: Parameters) -> None:
    """Raise ``ParametersRefused`` for what ``plan`` does not have."""
    try:
        known = parts(plan) if wanted.mix else {}
    except routes.UnusableRoutes as error:
        raise ParametersRefused(str(error)) from error
    if wanted.mix and not known:
        raise ParametersRefused(
            f"What {plan.scenario} asks for is up to its script: its mix can't be changed. "
            'Give it a "mix" in scenarios.json that the script follows.'
        )
    unknown = sorted(set(wanted.mix) - set(known))
    if unknown:
        raise ParametersRefused(
            f"{plan.scenario} has no part {', '.join(unknown)}. It has: {', '.join(known)}."
        )
    if wanted.rows is not None and not 1 <= wanted.rows <= MOST_ROWS:
        raise ParametersRefused(f"The number of rows must be from 1 to {MOST_ROWS:,}.")
    if wanted.data_set and wanted.data_set not in ORDERS:
        raise ParametersRefused(f"The data set is one of {', '.join(ORDERS)}.")
    is_script = plan.routes is None or plan.routes.suffix != ".json"
    if wanted.data_set and is_script:
        raise ParametersRefused(
            f"{plan.scenario} finds its rows by a script: only their number can be chosen."
        )


def as_row(plan: Plan, wanted: Parameters) -> dict[str, Any]:
    """Return what ``LoadRun.plan`` keeps besides. Raises ``ParametersRefused``."""
    check(plan, wanted)
    return {"parameters": msgspec.to_builtins(wanted)} if wanted else {}


def of_run(plan: Plan, row: dict[str, Any]) -> Plan:
    """Return ``plan`` as the run with the plan ``row`` was asked for."""
    stored = row.get("parameters")
    if stored is None:
        return plan
    wanted = msgspec.convert(stored, Parameters)
    check(plan, wanted)
    spec = msgspec.structs.replace(
        plan.spec, mix=wanted.mix or plan.spec.mix, rows=wanted.rows or plan.spec.rows,
        data_set=wanted.data_set or plan.spec.data_set,
    )  # fmt: skip
    return replace(plan, spec=spec)
