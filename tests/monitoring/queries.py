"""What the dashboards ask, as Prometheus takes it."""

from collections.abc import Iterator
from typing import Any

from infra.grafana.__main__ import DASHBOARDS


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (dashboard's title, panel as Grafana reads it), the titles of rows left out."""
    for dashboard in DASHBOARDS:
        for panel in dashboard["panels"]:
            if panel["type"] != "row":
                yield dashboard["title"], panel


def filled_in(expr: str, *, window: str) -> str:
    """Return ``expr`` with Grafana's variables replaced, every route chosen."""
    return expr.replace("$__rate_interval", window).replace("$route", ".*")


def asked(*, window: str) -> list[tuple[str, str]]:
    """Return (where it is shown, what is asked) for every query of every panel."""
    return [
        (
            f"{title} / {panel['title']} / {target['legendFormat']}",
            filled_in(target["expr"], window=window),
        )
        for title, panel in panels()
        for target in panel["targets"]
    ]


# What the dashboards and alerts made for django-prometheus (the Django mixin; grafana.com 9528,
# 17613, 17616, 17617) ask, written down; those of exceptions and errors need some first.
_COMMUNITY = (
    "sum(irate(django_http_requests_total_by_view_transport_method_total[{window}])) by (view)",
    "sum(irate(django_http_requests_total_by_method_total[{window}])) by (method)",
    'sum(rate(django_http_responses_total_by_status_view_method_total{{status=~"2.*"}}[{window}]))',
    'sum(rate(django_http_responses_total_by_status_view_method_total{{status=~"4.*"}}[{window}]))',
    "sum(irate(django_http_responses_total_by_status_total[{window}])) by (status)",
    "sum(increase(django_http_responses_total_by_templatename_total[{window}])) by (templatename)",
    "sum(irate(django_db_execute_total[{window}])) by (alias, vendor)",
    "sum(django_db_new_connections_total) by (vendor)",
    "max(django_migrations_applied_total) by (job)",
    "max(django_migrations_unapplied_total) by (job)",
    *(
        f"histogram_quantile(0.95, sum(rate({name}_bucket[{{window}}])) by (job, le))"
        for name in (
            "django_http_requests_latency_seconds_by_view_method",
            "django_http_requests_latency_including_middlewares_seconds",
            "django_http_requests_body_total_bytes",
            "django_http_responses_body_total_bytes",
            "django_db_query_duration_seconds",
        )
    ),
)


def community(*, window: str) -> list[tuple[str, str]]:
    """Return the same of the community's dashboards: django-prometheus' names are an option."""
    return [("django-prometheus", expr.format(window=window)) for expr in _COMMUNITY]
