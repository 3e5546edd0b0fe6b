"""A load run from the server's side: what was asked, how it was answered, what gave way first."""

from grafana_foundation_sdk.models import units

from infra.grafana.boards.database_and_redis import POOL_LIMIT
from infra.grafana.panels import Kind, Limit, Query, Row, dashboard, panel

_OUTCOME = Row(
    "The last run against its budgets",
    (
        panel(
            "Share of each threshold that was used",
            units.PercentUnit,
            (Query("max by (budget) (perfops_budget_ratio)", "{{budget}}"),),
            "Above 100% the budget is broken. The admin has the run itself.",
            kind=Kind.BARS,
            width=12,
            limit=Limit(1),
        ),
        panel(
            "Runs and other long tasks",
            units.OpsPerSecond,
            (
                Query(
                    'sum by (task, state) (rate(celery_tasks_total{task=~"perfops.*"}[5m]))',
                    "{{task}} {{state}}",
                ),
            ),
            width=12,
        ),
    ),
)

_ANSWERS = Row(
    "Asked and answered",
    (
        panel(
            "Throughput",
            units.RequestsPerSecond,
            (Query("sum(rate(http_requests_total[$__rate_interval]))", "answered"),),
            "The lines are what api-load must reach; everyday traffic need not.",
            budget="throughput",
        ),
        panel(
            "p95",
            units.Seconds,
            (
                Query(
                    "histogram_quantile(0.95, sum by (le) "
                    "(rate(http_request_duration_seconds_bucket[$__rate_interval])))",
                    "p95 at the server",
                    exemplars=True,
                ),
            ),
            "The generator sees the wait for a connection too: its figure is higher.",
            budget="latency_p95",
        ),
        panel(
            "Errors",
            units.PercentUnit,
            (Query("midst:http_errors:ratio5m", "errors"),),
            budget="error_rate",
        ),
    ),
)

_GIVES_WAY = Row(
    "What gives way first",
    (
        panel(
            "In flight",
            units.Short,
            (Query('sum by (type) (active_connections{type!="redis"})', "{{type}}"),),
        ),
        panel(
            "Database pool",
            units.PercentUnit,
            (Query("midst:database_pool:ratio", "in use"),),
            limit=Limit(POOL_LIMIT),
        ),
        panel(
            "Database time of all requests",
            units.Seconds,
            (
                Query(
                    "sum by (route) (rate(http_request_db_seconds_sum[$__rate_interval]))",
                    "{{route}}",
                ),
            ),
            "Seconds of database work a second, by route.",
            stacked=True,
        ),
        panel(
            "Query time (p95)",
            units.Seconds,
            (
                Query(
                    "histogram_quantile(0.95, sum by (le) "
                    "(rate(db_query_duration_seconds_bucket[$__rate_interval])))",
                    "p95",
                ),
            ),
        ),
        panel(
            "Cache hit rate",
            units.PercentUnit,
            (Query('budget:value{budget="cache_hit_rate"}', "hits"),),
            budget="cache_hit_rate",
        ),
        panel(
            "Redis commands",
            units.OpsPerSecond,
            (Query("sum(rate(redis_commands_total[$__rate_interval]))", "commands"),),
        ),
    ),
)

DASHBOARD = dashboard(
    "midst-load-runs",
    "Load runs",
    "A load run from the server's side.",
    (_OUTCOME, _ANSWERS, _GIVES_WAY),
)
