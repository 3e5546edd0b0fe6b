"""Are we fine? Latency, traffic, errors, saturation, and what is left of each budget."""

from grafana_foundation_sdk.models import units

from infra.grafana.boards.database_and_redis import POOL_LIMIT
from infra.grafana.panels import Kind, Limit, Query, Row, dashboard, panel

_BUDGETS = Row(
    "Budgets",
    (
        panel(
            "Where each budget stands",
            units.Short,
            (Query("budget:outcome", "{{budget}}"),),
            "Met: within its target. Near: over its target. Violated: over its threshold.",
            kind=Kind.NUMBER,
            width=16,
            height=5,
            outcome=True,
        ),
        panel(
            "Targets that can be scraped",
            units.PercentUnit,
            (Query("avg by (job) (up)", "{{job}}"),),
            kind=Kind.NUMBER,
            height=5,
            limit=Limit(1, bad_above=False),
        ),
        panel(
            "How fast the allowance is used (1 hour)",
            units.Short,
            (Query("budget:bad:ratio1h / on (budget) budget:allowance", "{{budget}}"),),
            "1: just used up in the end. 14.4 for an hour wakes someone.",
            limit=Limit(14.4),
        ),
        panel(
            "What is left of the allowance (3 days)",
            units.PercentUnit,
            (
                Query(
                    "clamp_min(1 - budget:bad:ratio3d / on (budget) budget:allowance, 0)",
                    "{{budget}}",
                ),
            ),
        ),
        panel(
            "Alerts that fire",
            units.Short,
            (
                Query(
                    'sum by (alertname, severity) (ALERTS{alertstate="firing"}) or vector(0)',
                    "{{alertname}} {{severity}}",
                ),
            ),
            stacked=True,
        ),
    ),
)

_SIGNALS = Row(
    "Golden signals",
    (
        panel(
            "Latency",
            units.Seconds,
            tuple(
                Query(f"midst:http_request_duration_seconds:{name}_5m", name)
                for name in ("p50", "p95", "p99")
            ),
            "The lines are the budget of p95.",
            budget="latency_p95",
        ),
        panel(
            "Traffic", units.RequestsPerSecond, (Query("midst:http_requests:rate5m", "requests"),)
        ),
        panel(
            "Errors",
            units.PercentUnit,
            (Query("midst:http_errors:ratio5m", "errors"),),
            budget="error_rate",
        ),
        panel(
            "Saturation",
            units.PercentUnit,
            (
                Query("midst:database_pool:ratio", "database pool"),
                Query("midst:database_connections:ratio", "max_connections"),
                Query("instance:redis_memory:ratio", "Redis memory"),
            ),
            limit=Limit(POOL_LIMIT),
        ),
        panel(
            "In flight",
            units.Short,
            (
                Query('sum(active_connections{type="http"})', "requests"),
                Query('sum(active_connections{type="database_waiting"})', "waiting for the pool"),
            ),
        ),
        panel(
            "Hit rates",
            units.PercentUnit,
            (
                Query('budget:value{budget="cache_hit_rate"}', "cache"),
                Query('budget:value{budget="db_cache_hit_rate"}', "database"),
            ),
        ),
    ),
)

_TASKS = Row(
    "Background work",
    (
        panel(
            "Tasks by state",
            units.OpsPerSecond,
            (
                Query(
                    "sum by (task, state) (rate(celery_tasks_total[$__rate_interval]))",
                    "{{task}} {{state}}",
                ),
            ),
        ),
        panel(
            "Waiting tasks",
            units.Short,
            (Query("max by (queue) (celery_queue_depth)", "{{queue}}"),),
        ),
        panel(
            "Last heard of",
            units.Seconds,
            (
                Query("time() - max(celery_worker_heartbeat_timestamp_seconds)", "worker"),
                Query("time() - max(celery_beat_heartbeat_timestamp_seconds)", "beat"),
            ),
            limit=Limit(120),
        ),
        panel(
            "Open findings",
            units.Short,
            (Query("max by (severity) (perfops_finding_open)", "{{severity}}"),),
        ),
    ),
)

DASHBOARD = dashboard(
    "midst-golden",
    "Golden signals and budgets",
    "Are we fine? What is promised, how it stands, how fast it is used up.",
    (_BUDGETS, _SIGNALS, _TASKS),
)
