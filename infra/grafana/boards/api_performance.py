"""How the API does, route by route: latency, traffic, errors, and what each request costs."""

from infra.grafana.encode import Dashboard, Kind, Panel, Query, Row, Unit, Variable

_ROUTE = 'route=~"$route"'


def _quantile(q: str, metric: str, by: str, selector: str = "") -> str:
    rate = f"rate({metric}_bucket{{{selector}}}[$__rate_interval])"
    return f"histogram_quantile({q}, sum by ({by}, le) ({rate}))"


_LATENCY = Row(
    "Latency",
    (
        Panel(
            "p95, all routes",
            Unit.SECONDS,
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
        Panel(
            "p99, all routes",
            Unit.SECONDS,
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
            Panel(
                f"{name} by route",
                Unit.SECONDS,
                (Query(f"route:http_request_duration_seconds:{name}_5m{{{_ROUTE}}}", "{{route}}"),),
            )
            for name in ("p50", "p95", "p99")
        ),
        Panel(
            "How many requests took how long",
            Unit.COUNT,
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
        Panel(
            "Requests by route",
            Unit.REQUESTS,
            (Query(f"route:http_requests:rate5m{{{_ROUTE}}}", "{{route}}"),),
            width=12,
            stacked=True,
        ),
        Panel(
            "Requests by status",
            Unit.REQUESTS,
            (Query("status:http_requests:rate5m", "{{status}}"),),
            width=12,
            stacked=True,
        ),
        Panel(
            "Error rate, all routes",
            Unit.SHARE,
            (Query("midst:http_errors:ratio5m", "errors"),),
            "Answers with 5xx.",
            budget="error_rate",
        ),
        Panel(
            "Error rate by route",
            Unit.SHARE,
            (Query(f"route:http_errors:ratio5m{{{_ROUTE}}}", "{{route}}"),),
        ),
        Panel(
            "Errors by status and route",
            Unit.REQUESTS,
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
        Panel(
            "Queries per request (mean)",
            Unit.COUNT,
            (Query(f"route:http_request_db_queries:mean5m{{{_ROUTE}}}", "{{route}}"),),
            "A route that grows with its rows has an N+1.",
        ),
        Panel(
            "Queries per request (p95)",
            Unit.COUNT,
            (Query(_quantile("0.95", "http_request_db_queries", "route", _ROUTE), "{{route}}"),),
        ),
        Panel(
            "Database time per request (mean)",
            Unit.SECONDS,
            (Query(f"route:http_request_db_seconds:mean5m{{{_ROUTE}}}", "{{route}}"),),
        ),
        Panel(
            "Queries by operation and table",
            Unit.OPERATIONS,
            (Query("operation_table:db_queries:rate5m", "{{operation}} {{table}}"),),
            width=12,
            stacked=True,
        ),
        Panel(
            "Query time (p95) by operation",
            Unit.SECONDS,
            (Query(_quantile("0.95", "db_query_duration_seconds", "operation"), "{{operation}}"),),
            width=12,
        ),
    ),
)

_CACHE = Row(
    "Redis and the cache",
    (
        Panel(
            "Redis operations",
            Unit.OPERATIONS,
            (Query("operation:redis_operations:rate5m", "{{operation}}"),),
            stacked=True,
        ),
        Panel(
            "Redis operation time (p95)",
            Unit.SECONDS,
            (
                Query(
                    _quantile("0.95", "redis_operation_duration_seconds", "operation"),
                    "{{operation}}",
                ),
            ),
        ),
        Panel(
            "Cache hit rate",
            Unit.SHARE,
            (Query('budget:value{budget="cache_hit_rate"}', "all"),),
            "Below the red line for 10 minutes an alert fires.",
            budget="cache_hit_rate",
        ),
        Panel(
            "Cache hit rate by kind",
            Unit.SHARE,
            (Query("cache_type:cache_hits:ratio5m", "{{cache_type}}"),),
        ),
        Panel(
            "Sampled hits that were stale",
            Unit.COUNT,
            (
                Query("sum by (cache_type) (cache_stale_total)", "{{cache_type}} stale"),
                Query("sum by (cache_type) (cache_audits_total)", "{{cache_type}} compared"),
            ),
            "Stale must stay 0.",
        ),
        Panel(
            "Processes that leave Redis alone",
            Unit.COUNT,
            (Query("sum(cache_degraded)", "degraded"),),
            "Redis failed a moment ago: the database answers in its place.",
        ),
    ),
)

DASHBOARD = Dashboard(
    "midst-api",
    "API performance",
    "Latency, traffic, errors and cost of each route.",
    (_LATENCY, _TRAFFIC, _DATABASE, _CACHE),
    (Variable("route", "http_requests_total", "route"),),
)
