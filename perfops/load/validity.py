"""Is a run valid? Pure: numbers in, sentences out."""

import math
from dataclasses import dataclass
from typing import Any

from perfops.formatting import count_text
from perfops.load.k6 import ended_text
from perfops.load.summary import Summary

# A percentile needs ten requests beyond it: n >= 10 / (1 - q).
_BEYOND = 10
_SLACK = 1e-9
_MOSTLY = 0.5
_MOST_LAG_MS = 50.0


def requests_for(q: float) -> int:
    """Return how many requests the quantile ``q`` (0..1) takes: ten must lie beyond it."""
    return math.ceil(_BEYOND / (1 - q) - _SLACK)


MIN_REQUESTS = requests_for(0.99)


@dataclass(frozen=True, slots=True)
class Limits:
    """``min_achieved``: share of the plan; ``max_generator_cpu``: share of all ``cores``."""

    min_achieved: float
    max_generator_cpu: float
    cores: float


@dataclass(frozen=True, slots=True)
class ValidityErrors:
    """Why a run is not valid; false when it is.

    ``generator``: how the generator itself was slow, so that latencies prove nothing; "" if not.
    ``nothing_measured``: the target was never reached, so no figure proves anything.
    """

    reasons: tuple[str, ...] = ()
    generator: str = ""
    nothing_measured: bool = False

    def __bool__(self) -> bool:
        return bool(self.reasons)

    @classmethod
    def of(cls, summary: dict[str, Any]) -> "ValidityErrors | None":
        """Return what was stored with a run; None for a run of an earlier version."""
        stored = summary.get("validity")
        return None if stored is None else cls(**{**stored, "reasons": tuple(stored["reasons"])})


VALID = ValidityErrors()


def validity_errors(
    summary: Summary, limits: Limits, *, seeks_limit: bool = False
) -> ValidityErrors:
    """Return why the run does not measure what it says.

    Errors of the server are none: time-outs, resets and refused connections count as failed
    requests. ``seeks_limit``: a stress run goes on until iterations are dropped by purpose.
    """
    if not summary.requests:
        reason = f"No request was sent (k6 ended with {summary.k6_exit_code})."
        return ValidityErrors((reason,), nothing_measured=True)
    found = []
    if ended := ended_text(summary.k6_exit_code):
        found.append(ended)
    if summary.unreachable >= summary.requests * _MOSTLY:
        found.append(
            f"The target could not be reached: {summary.unreachable:,} of "
            f"{count_text(summary.requests, 'request')} got no connection."
        )
    if not seeks_limit:
        found += _not_as_planned(summary, limits)
    if summary.requests < MIN_REQUESTS:
        found.append(
            f"{summary.requests:,} requests are too few for a p99: it takes {MIN_REQUESTS:,}."
        )
    starved = _starved(summary, limits)
    if starved:
        found.append(starved)
    return ValidityErrors(
        tuple(found),
        generator=starved or _late(summary),
        nothing_measured=summary.unreachable == summary.requests,
    )


def _starved(summary: Summary, limits: Limits) -> str:
    if summary.generator_cpu <= limits.max_generator_cpu * limits.cores:
        return ""
    return (
        f"The generator was starved: k6 used {summary.generator_cpu:.1f} of "
        f"{limits.cores:g} cores. Run it on a machine of its own."
    )


def _late(summary: Summary) -> str:
    """k6 drops what finds no free VU; what it starts late, it had no CPU for."""
    if (summary.generator_lag_ms or 0.0) <= _MOST_LAG_MS:
        return ""
    return (
        f"The generator was late: one request in twenty was sent {summary.generator_lag_ms:,.0f} "
        "ms or more after its scheduled start. Run it on a machine of its own."
    )


def _not_as_planned(summary: Summary, limits: Limits) -> list[str]:
    found = []
    if summary.dropped:
        found.append(
            f"{summary.dropped:,} iterations were dropped: the server held every VU for too "
            "long, and the requests that were not sent are missing from all percentiles."
        )
    if summary.achieved < limits.min_achieved:
        found.append(
            f"Only {summary.achieved:.1%} of the planned requests were sent; "
            f"{limits.min_achieved:.0%} are needed."
        )
    return found
