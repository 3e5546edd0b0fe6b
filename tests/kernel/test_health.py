"""Liveness touches nothing; readiness says what is missing."""

import pytest
from django.db import connection


def test_health_answers_without_touching_anything(client):
    # No database mark: a query would be an error.
    assert client.get("/health").json() == {"status": "ok"}


@pytest.mark.django_db
def test_ready_checks_database_cache_and_migrations(client):
    answer = client.get("/ready")
    assert answer.status_code == 200
    assert client.get("/status").json() == answer.json()
    assert answer.json()["checks"] == {"database": "ok", "cache": "ok", "migrations": "ok"}


@pytest.mark.django_db
def test_without_the_cache_it_is_ready_but_degraded(client, settings):
    settings.CACHES = {
        "default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
    }
    answer = client.get("/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert client.get("/status").status_code == 503
    assert client.get("/health").status_code == 200
    assert answer.json()["checks"]["cache"] != "ok"
    assert answer.json()["checks"]["database"] == "ok"


@pytest.mark.django_db
def test_ready_names_the_database_when_it_is_away(client, monkeypatch):
    from django.db import OperationalError

    def refuse(*args, **kwargs):
        raise OperationalError("password=secret")

    with connection.execute_wrapper(refuse):
        answer = client.get("/ready")
    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
    assert answer.json()["checks"]["database"] == "OperationalError"
    assert "secret" not in answer.content.decode()
