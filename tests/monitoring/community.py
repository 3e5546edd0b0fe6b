"""What the community's dashboards and alerts for django-prometheus ask, and who gives them answers.

Written down anew after the panels of django-mixin (github.com/adinhodovic/django-mixin; Grafana's
dashboards 17617 "Django / Overview", 17616 "Django / Requests / Overview" and 17613 "... / By
View") and its three alerts, as they stood in 2026: metrics, labels and functions are theirs. The
repository has no licence with its files, so nothing of it is copied here. Grafana's variables are
filled in: ``namespace`` is a label that only Kubernetes gives, and an empty one matches.
"""

_SELECTED = 'namespace=~"", job=~"midst"'
_IGNORED = 'view!~"health_check:health_check_home|prometheus-django-metrics"'
_REQUESTS = "django_http_requests_total_by_view_transport_method_total"
_RESPONSES = "django_http_responses_total_by_status_view_method_total"
_LATENCY = "django_http_requests_latency_seconds_by_view_method_bucket"
_PER_VIEW = "sum by (namespace, job, view)"


def _rate(metric: str, *more: str, function: str = "rate", window: str = "20s") -> str:
    return f"{function}({metric}{{{', '.join((_SELECTED, *more))}}}[{window}])"


def _quantile(of: float, by: str, rate: str) -> str:
    return f"histogram_quantile({of}, sum by ({by}) ({rate}))"


def _share(status: str, *more: str) -> str:
    good, every = _rate(_RESPONSES, *more, status), _rate(_RESPONSES, *more)
    return f"{_PER_VIEW} ({good}) / {_PER_VIEW} ({every})"


OVERVIEW = {
    "Request Volume": f"round(sum({_rate(_REQUESTS, _IGNORED, function='irate')}), 0.001)",
    "Cache Hitrate": f"sum by (job) ({_rate('django_cache_get_hits_total')})"
    f" / sum by (job) ({_rate('django_cache_get_total')})",
    "Database Ops": f"sum by (job) ({_rate('django_db_execute_total', function='irate')})",
    "DB Latency": _quantile(
        0.99, "vendor, job, le",
        _rate("django_db_query_duration_seconds_bucket", function="irate") + " > 0",
    ),
    "DB Connections": "round(sum by (job, vendor) ("
    f"{_rate('django_db_new_connections_total', function='increase')} > 0))",
    "Cache Get, hits": f"sum by (backend) ({_rate('django_cache_get_hits_total')} > 0)",
    "Cache Get, misses": f"sum by (backend) ({_rate('django_cache_get_misses_total')} > 0)",
    "Migrations Applied": f"max by (job) (django_migrations_applied_total{{{_SELECTED}}}) > 0",
    "Migrations Unapplied": f"max by (job) (django_migrations_unapplied_total{{{_SELECTED}}})",
    "Top Database Errors": "round(topk(10, sum by (type) ("
    f"{_rate('django_db_errors_total', function='increase', window='1w')} > 0)))",
    **{
        f"Responses, {status}xx": "round(sum by (job) ("
        + _rate(_RESPONSES, _IGNORED, f'status=~"{status}.*"', function="irate")
        + " > 0), 0.001)"
        for status in "2345"
    },
}  # fmt: skip
REQUESTS = {
    "Success Rate": _share('status!~"[4-5].*"', 'method=~"GET|POST"'),
    "Success Rate, without 4xx": _share('status!~"5.*"', 'view!~"admin.*"'),
    "Admin's success rate": _share('status!~"[4-5].*"', 'view=~"admin.*"'),
    "Request Body Size": _quantile(
        0.95, "job, le", _rate("django_http_requests_body_total_bytes_bucket")
    ),
    "Request Latency": _quantile(0.95, "job, le", _rate(_LATENCY, _IGNORED)),
    "Latency of the API": _quantile(0.5, "view, le", _rate(_LATENCY, 'view!~"admin.*"')),
    "HTTP Exceptions": "sum by (view) ("
    f"{_rate('django_http_exceptions_total_by_view_total', function='increase')}) > 0",
    "Top Exceptions by Type": "round(topk(10, sum by (type) ("
    f"{_rate('django_http_exceptions_total_by_type_total', function='increase', window='1w')})))",
    "Distribution by Method": f"sum by (method) ({_rate(_REQUESTS)}) > 0",
    "Response Rate by Status Class": 'sum by (status_class) (label_replace('
    f'{_rate(_RESPONSES)}, "status_class", "${{1}}xx", "status", "([0-9]).*")) > 0',
    "Top Views": f"topk(10, sum by (view) ({_rate(_REQUESTS)}) > 0)",
    "Top Templates": "topk(10, round(sum by (templatename) ("
    + _rate(
        "django_http_responses_total_by_templatename_total", 'templatename!~"None"',
        function="increase", window="1w",
    )
    + ")) > 0)",
}  # fmt: skip
BY_VIEW = {
    "Requests": _rate(_REQUESTS, 'view="admin:login"', function="irate") + " > 0",
    "Response Status Codes": "sum by (view, status, method) ("
    + _rate(_RESPONSES, 'view="admin:login"', function="irate")
    + " > 0)",
    "Request Latency": _quantile(
        0.999, "view, le", _rate(_LATENCY, 'view="admin:login"', function="irate") + " > 0"
    ),
}
# Of models: the counters that its mixin makes.
MODELS = {
    f"{what} of models": _rate(f"django_model_{what}_total") + " > 0"
    for what in ("inserts", "updates", "deletes")
}
ALERTS = {
    "DjangoMigrationsUnapplied": "sum by (namespace, job) "
    f"(django_migrations_unapplied_total{{{_SELECTED}}}) == 0",
    "DjangoHighHttp4xxErrorRate": f"({_share('status=~"4.*"', _IGNORED)}) * 100 > 5",
    "DjangoHighHttp5xxErrorRate": f"({_share('status=~"5.*"', _IGNORED)}) * 100 > 5",
}
ASKED = [
    (f"{board} / {panel}", expr)
    for board, panels in {
        "Overview": OVERVIEW, "Requests": REQUESTS, "By view": BY_VIEW, "Models": MODELS,
        "Alerts": ALERTS,
    }.items()
    for panel, expr in panels.items()
]  # fmt: skip

# For ``manage.py shell`` and tests.telemetry.site: what no request of Midst's does, again and again
# until it is ended.
SITE = """
import time
from django.test import Client
from django.core.cache import cache
from django.db import connection
client = Client(raise_request_exception=False)
while True:
    client.get("/broken/7")
    cache.set("community", 1)
    cache.get("community"), cache.get("community-none")
    with connection.cursor() as cursor:
        for statement in (
            "INSERT INTO taxonomy_mask SELECT * FROM taxonomy_mask WHERE false",
            "UPDATE taxonomy_mask SET id = id WHERE false",
            "DELETE FROM taxonomy_mask WHERE false",
            "SELECT * FROM no_such_table",
        ):
            try:
                cursor.execute(statement)
            except Exception:
                pass
    connection.close()
    time.sleep(0.5)
"""
PATHS = (
    "/admin/login/", "/admin/", "/api/v1/taxonomy/masks", "/api/v1/profiles?limit={now}",
    "/api/v1/profiles/nobody", "/nowhere",
)  # fmt: skip
