"""Each request is observed once, under its URL template."""

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path
from prometheus_client import REGISTRY

from midst import health
from midst.telemetry import metrics
from midst.telemetry.request_context import template


def requests(method: str, route: str, status: int) -> float:
    labels = {"method": method, "route": route, "status": str(status)}
    return REGISTRY.get_sample_value("http_requests_total", labels) or 0.0


def durations(method: str, route: str) -> float:
    labels = {"method": method, "route": route}
    return REGISTRY.get_sample_value("http_request_duration_seconds_count", labels) or 0.0


def broken(request: HttpRequest, number: int) -> HttpResponse:
    raise ZeroDivisionError(number)


urlpatterns = [path("broken/<int:number>", broken)]
handler500 = "django.views.defaults.server_error"


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("health", "/health"),
        ("", "/"),
        ("api/v1/profiles/<str:ref>", "/api/v1/profiles/{ref}"),
        ("api/v1/profiles/<ref>/cv", "/api/v1/profiles/{ref}/cv"),
        (r"^admin/(?P<url>.*)$", "/admin/{url}"),
    ],
)
def test_a_route_is_shown_as_its_url_template(route, expected):
    assert template(route) == expected


def test_a_request_is_counted_and_timed_once(client: Client):
    before = requests("GET", "/health", 200), durations("GET", "/health")
    client.get("/health")
    assert (requests("GET", "/health", 200), durations("GET", "/health")) == (
        before[0] + 1,
        before[1] + 1,
    )


def test_urls_that_lead_nowhere_share_one_route(client: Client):
    before = requests("GET", "unmatched", 404)
    client.get("/nowhere/1")
    client.get("/nowhere/2")
    assert requests("GET", "unmatched", 404) == before + 2


def test_an_invented_method_never_becomes_a_label(client: Client):
    before = requests("other", "/health", 405)
    client.generic("BREW", "/health")
    assert requests("other", "/health", 405) == before + 1


@override_settings(ROOT_URLCONF=__name__)
def test_an_exception_is_observed_as_a_500_of_its_route(client: Client):
    client.raise_request_exception = False
    before = requests("GET", "/broken/{number}", 500), durations("GET", "/broken/{number}")
    client.get("/broken/7")
    after = requests("GET", "/broken/{number}", 500), durations("GET", "/broken/{number}")
    assert after == (before[0] + 1, before[1] + 1)


@pytest.mark.django_db
def test_a_request_knows_how_many_statements_it_sent(client: Client):
    labels = {"route": "/ready"}
    name = "http_request_db_queries"
    before = REGISTRY.get_sample_value(f"{name}_sum", labels) or 0.0
    health.forget()
    client.get("/ready")
    assert (REGISTRY.get_sample_value(f"{name}_sum", labels) or 0.0) > before


@pytest.mark.parametrize("edge_ms", [300, 500, 1000])
def test_every_latency_budget_is_a_bucket_bound(edge_ms):
    assert edge_ms / 1000 in metrics.BUCKETS_S
