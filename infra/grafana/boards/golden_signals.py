"""Are we fine? Latency, traffic, errors, saturation, and what is left of each budget."""

from infra.grafana.boards.database_and_redis import POOL_LIMIT
from infra.grafana.encode import Dashboard, Kind, Limit, Panel, Query, Row, Unit

_BUDGETS = Row(
    "Budgets",
    (
        Panel(
            "Where each budget stands",
            Unit.COUNT,
            (Query("budget:outcome", "{{budget}}"),),
            "Met: within its target. Near: over its target. Violated: over its threshold.",
            kind=Kind.NUMBER,
            width=16,
            height=5,
            outcome=True,
        ),
        Panel(
            "Targets that can be scraped",
            Unit.SHARE,
            (Query("avg by (job) (up)", "{{job}}"),),
            kind=Kind.NUMBER,
            height=5,
            limit=Limit(1, bad_above=False),
        ),
        Panel(
            "How fast the allowance is used (1 hour)",
            Unit.COUNT,
            (Query("budget:bad:ratio1h / on (budget) budget:allowance", "{{budget}}"),),
            "1: just used up in the end. 14.4 for an hour wakes someone.",
            limit=Limit(14.4),
        ),
        Panel(
            "What is left of the allowance (3 days)",
            Unit.SHARE,
            (
                Query(
                    "clamp_min(1 - budget:bad:ratio3d / on (budget) budget:allowance, 0)",
                    "{{budget}}",
                ),
            ),
        ),
        Panel(
            "Alerts that fire",
            Unit.COUNT,
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
        Panel(
            "Latency",
            Unit.SECONDS,
            tuple(
                Query(f"midst:http_request_duration_seconds:{name}_5m", name)
                for name in ("p50", "p95", "p99")
            ),
            "The lines are the budget of p95.",
            budget="latency_p95",
        ),
        Panel("Traffic", Unit.REQUESTS, (Query("midst:http_requests:rate5m", "requests"),)),
        Panel(
            "Errors",
            Unit.SHARE,
            (Query("midst:http_errors:ratio5m", "errors"),),
            budget="error_rate",
        ),
        Panel(
            "Saturation",
            Unit.SHARE,
            (
                Query("midst:database_pool:ratio", "database pool"),
                Query("midst:database_connections:ratio", "max_connections"),
                Query("instance:redis_memory:ratio", "Redis memory"),
            ),
            limit=Limit(POOL_LIMIT),
        ),
        Panel(
            "In flight",
            Unit.COUNT,
            (
                Query('sum(active_connections{type="http"})', "requests"),
                Query('sum(active_connections{type="database_waiting"})', "waiting for the pool"),
            ),
        ),
        Panel(
            "Hit rates",
            Unit.SHARE,
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
        Panel(
            "Tasks by state",
            Unit.OPERATIONS,
            (
                Query(
                    "sum by (task, state) (rate(celery_tasks_total[$__rate_interval]))",
                    "{{task}} {{state}}",
                ),
            ),
        ),
        Panel(
            "Waiting tasks",
            Unit.COUNT,
            (Query("max by (queue) (celery_queue_depth)", "{{queue}}"),),
        ),
        Panel(
            "Last heard of",
            Unit.SECONDS,
            (
                Query("time() - max(celery_worker_heartbeat_timestamp_seconds)", "worker"),
                Query("time() - max(celery_beat_heartbeat_timestamp_seconds)", "beat"),
            ),
            limit=Limit(120),
        ),
        Panel(
            "Open findings",
            Unit.COUNT,
            (Query("max by (severity) (perfops_finding_open)", "{{severity}}"),),
        ),
    ),
)

DASHBOARD = Dashboard(
    "midst-golden",
    "Golden signals and budgets",
    "Are we fine? What is promised, how it stands, how fast it is used up.",
    (_BUDGETS, _SIGNALS, _TASKS),
)
