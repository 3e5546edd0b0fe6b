"""How the API does, route by route: latency, traffic, errors, and what each request costs."""

from grafana_foundation_sdk.models import units

from infra.grafana.panels import Kind, Query, Row, choice, dashboard, panel

_ROUTE = 'route=~"$route"'


def _quantile(q: str, metric: str, by: str, selector: str = "") -> str:
    rate = f"rate({metric}_bucket{{{selector}}}[$__rate_interval])"
    return f"histogram_quantile({q}, sum by ({by}, le) ({rate}))"


_LATENCY = Row(
    "Latency",
    (
        panel(
            "p95, all routes",
            units.Seconds,
            (
                Query(
                    "histogram_quantile(0.95, sum by (le) "
                    "(rate(http_request_duration_seconds_bucket[$__rate_interval])))",
                    "p95",
                    exemplars=True,
                ),
            ),
            "Above the red line for 5 minutes an alert fires. A dot is a trace.",
            width=12,
            budget="latency_p95",
        ),
        panel(
            "p99, all routes",
            units.Seconds,
            (
                Query(
                    "histogram_quantile(0.99, sum by (le) "
                    "(rate(http_request_duration_seconds_bucket[$__rate_interval])))",
                    "p99",
                    exemplars=True,
                ),
            ),
            width=12,
            budget="latency_p99",
        ),
        *(
            panel(
                f"{name} by route",
                units.Seconds,
                (Query(f"route:http_request_duration_seconds:{name}_5m{{{_ROUTE}}}", "{{route}}"),),
            )
            for name in ("p50", "p95", "p99")
        ),
        panel(
            "How many requests took how long",
            units.Short,
            (
                Query(
                    "sum by (le) (increase(http_request_duration_seconds_bucket"
                    f"{{{_ROUTE}}}[$__rate_interval]))",
                    "{{le}}",
                ),
            ),
            "Two bands are two kinds of request: cached and not.",
            kind=Kind.HEATMAP,
            width=24,
        ),
    ),
)

_TRAFFIC = Row(
    "Traffic and errors",
    (
        panel(
            "Requests by route",
            units.RequestsPerSecond,
            (Query(f"route:http_requests:rate5m{{{_ROUTE}}}", "{{route}}"),),
            width=12,
            stacked=True,
        ),
        panel(
            "Requests by status",
            units.RequestsPerSecond,
            (Query("status:http_requests:rate5m", "{{status}}"),),
            width=12,
            stacked=True,
        ),
        panel(
            "Error rate, all routes",
            units.PercentUnit,
            (Query("midst:http_errors:ratio5m", "errors"),),
            "Answers with 5xx.",
            budget="error_rate",
        ),
        panel(
            "Error rate by route",
            units.PercentUnit,
            (Query(f"route:http_errors:ratio5m{{{_ROUTE}}}", "{{route}}"),),
        ),
        panel(
            "Errors by status and route",
            units.RequestsPerSecond,
            (
                Query(
                    "sum by (status, route) "
                    f'(rate(http_requests_total{{status=~"[45]..", {_ROUTE}}}[$__rate_interval]))',
                    "{{status}} {{route}}",
                ),
            ),
            stacked=True,
        ),
    ),
)

_DATABASE = Row(
    "The database, for each request",
    (
        panel(
            "Queries per request (mean)",
            units.Short,
            (Query(f"route:http_request_db_queries:mean5m{{{_ROUTE}}}", "{{route}}"),),
            "A route that grows with its rows has an N+1.",
        ),
        panel(
            "Queries per request (p95)",
            units.Short,
            (Query(_quantile("0.95", "http_request_db_queries", "route", _ROUTE), "{{route}}"),),
        ),
        panel(
            "Database time per request (mean)",
            units.Seconds,
            (Query(f"route:http_request_db_seconds:mean5m{{{_ROUTE}}}", "{{route}}"),),
        ),
        panel(
            "Queries by operation and table",
            units.OpsPerSecond,
            (Query("operation_table:db_queries:rate5m", "{{operation}} {{table}}"),),
            width=12,
            stacked=True,
        ),
        panel(
            "Query time (p95) by operation",
            units.Seconds,
            (Query(_quantile("0.95", "db_query_duration_seconds", "operation"), "{{operation}}"),),
            width=12,
        ),
    ),
)

_CACHE = Row(
    "Redis and the cache",
    (
        panel(
            "Redis operations",
            units.OpsPerSecond,
            (Query("operation:redis_operations:rate5m", "{{operation}}"),),
            stacked=True,
        ),
        panel(
            "Redis operation time (p95)",
            units.Seconds,
            (
                Query(
                    _quantile("0.95", "redis_operation_duration_seconds", "operation"),
                    "{{operation}}",
                ),
            ),
        ),
        panel(
            "Cache hit rate",
            units.PercentUnit,
            (Query('budget:value{budget="cache_hit_rate"}', "all"),),
            "Below the red line for 10 minutes an alert fires.",
            budget="cache_hit_rate",
        ),
        panel(
            "Cache hit rate by kind",
            units.PercentUnit,
            (Query("cache_type:cache_hits:ratio5m", "{{cache_type}}"),),
        ),
        panel(
            "Sampled hits that were stale",
            units.Short,
            (
                Query("sum by (cache_type) (cache_stale_total)", "{{cache_type}} stale"),
                Query("sum by (cache_type) (cache_audits_total)", "{{cache_type}} compared"),
            ),
            "Stale must stay 0.",
        ),
        panel(
            "Processes that leave Redis alone",
            units.Short,
            (Query("sum(cache_degraded)", "degraded"),),
            "Redis failed a moment ago: the database answers in its place.",
        ),
    ),
)

DASHBOARD = dashboard(
    "midst-api",
    "API performance",
    "Latency, traffic, errors and cost of each route.",
    (_LATENCY, _TRAFFIC, _DATABASE, _CACHE),
    (choice("route", "http_requests_total", "route"),),
)
