"""Is a run valid? That comes before whether it is good. Pure: numbers in, sentences out."""

from dataclasses import dataclass

from perfops.load.summary import Summary

# k6: 99 is a crossed threshold, which says nothing about validity.
_ENDED_BY_ITSELF = {0, 99}
# A percentile needs ten requests beyond it: n >= 10 / (1 - q).
_BEYOND = 10
_HIGHEST_QUANTILE = 0.99
MIN_REQUESTS = round(_BEYOND / (1 - _HIGHEST_QUANTILE))
_MOSTLY = 0.5


@dataclass(frozen=True, slots=True)
class Limits:
    """``min_achieved``: share of the plan; ``max_generator_cpu``: share of all ``cores``."""

    min_achieved: float
    max_generator_cpu: float
    cores: int


def validity_errors(summary: Summary, limits: Limits, *, seeks_limit: bool = False) -> list[str]:
    """Return why the run does not measure what it says; empty when it does.

    ``seeks_limit``: a stress run goes on until iterations are dropped, that is its purpose.
    """
    if not summary.requests:
        return [f"No request was sent (k6 ended with {summary.k6_exit_code})."]
    found = []
    if summary.k6_exit_code not in _ENDED_BY_ITSELF:
        found.append(f"k6 did not end by itself: exit code {summary.k6_exit_code}.")
    if summary.unreachable >= summary.requests * _MOSTLY:
        found.append(
            f"The target could not be reached: {summary.unreachable:,} of "
            f"{summary.requests:,} requests got no connection."
        )
    elif summary.unreachable:
        found.append(
            f"The target was away for a while: {summary.unreachable:,} requests got no connection."
        )
    if not seeks_limit:
        found += _not_as_planned(summary, limits)
    if summary.requests < MIN_REQUESTS:
        found.append(
            f"{summary.requests:,} requests are too few for a p99: it takes {MIN_REQUESTS:,}."
        )
    if summary.generator_cpu > limits.max_generator_cpu * limits.cores:
        found.append(
            f"The generator was starved: k6 used {summary.generator_cpu:.1f} of "
            f"{limits.cores} cores. Run it on a machine of its own."
        )
    return found


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
