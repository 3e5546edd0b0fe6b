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
    assert answer.json()["checks"] == {"database": "ok", "cache": "ok", "migrations": "ok"}


@pytest.mark.django_db
def test_ready_names_the_cache_when_it_is_away(client, settings):
    settings.CACHES = {
        "default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
    }
    answer = client.get("/ready")
    assert answer.status_code == 503
    assert answer.json()["checks"]["cache"] != "ok"
    assert answer.json()["checks"]["database"] == "ok"


@pytest.mark.django_db
def test_ready_names_the_database_when_it_is_away(client, monkeypatch):
    from django.db import OperationalError

    def refuse(*args, **kwargs):
        raise OperationalError("password=secret")

    with connection.execute_wrapper(refuse):
        answer = client.get("/ready")
    assert answer.status_code == 503
    assert answer.json()["checks"]["database"] == "OperationalError"
    assert "secret" not in answer.content.decode()
