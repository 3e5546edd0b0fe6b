"""A run in numbers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from perfops.load.recording import ALL, Recording
from perfops.load.scenarios import Plan
from perfops.statistics.sketch import Sketch

SUSTAINED_S = 30
QUANTILES = {"p50": 0.50, "p90": 0.90, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Summary:
    """Latencies in ms, rates as shares from 0 to 1, throughput in requests per second."""

    requests: int
    errors: int
    unreachable: int
    # Without an answer when the run ended: counted with the time that they had waited by then.
    unanswered: int
    error_rate: float | None
    # Requests planned, and the share of them that was sent.
    offered: float
    achieved: float
    dropped: int
    # Goodput: only responses as expected count.
    throughput: float
    # The highest rate that was planned.
    offered_rate: float
    duration_s: float
    latency_ms: dict[str, float | None]
    # From the scheduled start of each request, connecting and waiting included.
    intended_latency_ms: dict[str, float | None]
    cache_hits: int
    cache_misses: int
    cache_hit_rate: float | None
    # Cores that the generator used.
    generator_cpu: float
    # One request in twenty was sent later than this after its scheduled start (ms).
    generator_lag_ms: float | None
    peak_vus: int
    k6_exit_code: int

    def as_row(self) -> dict[str, Any]:
        return asdict(self)


def summarise(recording: Recording, plan: Plan, *, cpu_s: float, exit_code: int) -> Summary:
    """Sum a finished recording up. Its last seconds must have been taken (``final``)."""
    overall = dict(recording.routes())[ALL]
    window = recording.window_s
    cached = overall.cache_hits + overall.cache_misses
    return Summary(
        requests=overall.requests,
        errors=overall.errors,
        unreachable=overall.unreachable,
        unanswered=recording.unanswered,
        error_rate=overall.errors / overall.requests if overall.requests else None,
        offered=plan.requests,
        achieved=min(1.0, overall.requests / plan.requests) if plan.requests else 0.0,
        dropped=recording.dropped,
        throughput=(overall.requests - overall.errors) / window if window else 0.0,
        offered_rate=plan.peak_rate,
        duration_s=window,
        latency_ms=describe(overall.latency),
        intended_latency_ms=describe(recording.intended),
        cache_hits=overall.cache_hits,
        cache_misses=overall.cache_misses,
        cache_hit_rate=overall.cache_hits / cached if cached else None,
        generator_cpu=cpu_s / window if window else 0.0,
        generator_lag_ms=recording.lag.quantile(0.95),
        peak_vus=recording.peak_vus,
        k6_exit_code=exit_code,
    )


def describe(sketch: Sketch) -> dict[str, float | None]:
    """Return mean, quantiles and maximum in ms."""
    quantiles = {name: sketch.quantile(q) for name, q in QUANTILES.items()}
    return {"mean": sketch.mean(), **quantiles, "max": sketch.max()}


def sustained(per_second: Sequence[int]) -> float:
    """Return the highest mean of ``SUSTAINED_S`` seconds in a row (of all, in a shorter run).

    A run that rises and falls is slow on average; what it held is what it can.
    """
    length = min(SUSTAINED_S, len(per_second))
    if not length:
        return 0.0
    starts = range(len(per_second) - length + 1)
    return max(sum(per_second[n : n + length]) for n in starts) / length
