"""What django-prometheus counts here, and what it counts when its own dashboards are wanted."""

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection, connections
from prometheus_client import REGISTRY

from midst.kernel.postgres.base import DatabaseWrapper
from tests.telemetry.processes import run

# What the panels of the dashboards for django-prometheus (grafana.com 9528, 17658) and the alerts
# of the Django mixin ask for.
COMMUNITY = (
    "django_http_requests_total_by_method_total",
    "django_http_requests_total_by_view_transport_method_total",
    "django_http_requests_latency_including_middlewares_seconds_bucket",
    "django_http_requests_latency_seconds_by_view_method_bucket",
    "django_http_responses_total_by_status_total",
    "django_http_responses_total_by_status_view_method_total",
    "django_http_exceptions_total_by_type_total",
    "django_http_requests_body_total_bytes_bucket",
    "django_http_responses_body_total_bytes_bucket",
    "django_db_execute_total",
    "django_db_query_duration_seconds_bucket",
    "django_db_new_connections_total",
    "django_db_errors_total",
    "django_model_inserts_total",
    "django_model_updates_total",
    "django_model_deletes_total",
    "django_cache_get_total",
    "django_cache_get_hits_total",
    "django_cache_get_misses_total",
)
SITE = """
import django; django.setup()
from django.core.cache import cache
from django.db import connection
from django.test import Client
client = Client(raise_request_exception=False)
client.get("/everything")
client.get("/broken/7")
cache.set("telemetry-test", 1)
cache.get("telemetry-test")
try:
    connection.cursor().execute("SELECT * FROM no_such_table")
except Exception:
    pass
for statement in (
    "INSERT INTO taxonomy_mask SELECT * FROM taxonomy_mask WHERE false",
    "UPDATE taxonomy_mask SET id = id WHERE false",
    "DELETE FROM taxonomy_mask WHERE false",
):
    connection.cursor().execute(statement)
from midst.telemetry import exposition
print(exposition.render("")[0].decode())
"""


def counted(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.mark.django_db
def test_the_cache_frameworks_hits_and_misses_are_counted():
    names = [f"django_cache_get_{name}total" for name in ("", "hits_", "misses_")]
    before = [counted(name, backend="redis") for name in names]
    cache.set("telemetry-test", 1, timeout=60)
    assert (cache.get("telemetry-test"), cache.get("telemetry-test-not-there")) == (1, None)
    more = [counted(name, backend="redis") - was for name, was in zip(names, before, strict=True)]
    assert more == [2, 1, 1]


@pytest.mark.django_db
def test_errors_of_statements_are_counted_by_their_class():
    labels = {"alias": "default", "vendor": "postgresql", "type": "ProgrammingError"}
    before = counted("django_db_errors_total", **labels)
    with pytest.raises(Exception, match="does not exist"), connection.cursor() as cursor:
        cursor.execute("SELECT * FROM no_such_table")
    assert counted("django_db_errors_total", **labels) == before + 1


@pytest.mark.django_db
def test_connections_that_nobody_takes_are_counted():
    settings = {**connections["default"].settings_dict, "HOST": "127.0.0.1", "PORT": "1"}
    labels = {"alias": "nowhere", "vendor": "postgresql"}
    before = counted("django_db_new_connection_errors_total", **labels)
    with pytest.raises(OperationalError):
        DatabaseWrapper(settings, "nowhere").ensure_connection()
    assert counted("django_db_new_connection_errors_total", **labels) == before + 1


def test_no_request_is_observed_twice_by_default(client):
    client.get("/health")
    assert REGISTRY.get_sample_value("django_http_requests_before_middlewares_total") is None


@pytest.mark.slow
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_dashboards_and_alerts_for_django_prometheus_find_their_metrics(tmp_path, monkeypatch):
    from tests.telemetry.conftest import database_url

    told = run(
        tmp_path, SITE, DATABASE_URL=database_url(), DJANGO_PROMETHEUS_MIDDLEWARE="1",
        DJANGO_SETTINGS_MODULE="tests.telemetry.site",
    )  # fmt: skip
    samples = {line.split("{")[0].split(" ")[0] for line in told.splitlines()}
    assert [name for name in COMMUNITY if name not in samples] == []
    assert 'django_model_deletes_total{model="taxonomy_mask"} 1.0' in told
