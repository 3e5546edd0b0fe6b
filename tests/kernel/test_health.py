"""Liveness touches nothing; readiness says what is missing."""

import socket
import threading

import pytest
from django.db import connection, connections

from midst import health


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
    monkeypatch.setitem(connections.settings["default"], "PORT", "1")
    answer = client.get("/ready")
    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
    assert answer.json()["checks"]["database"] == "OperationalError"
    assert "127.0.0.1" not in answer.content.decode()


@pytest.mark.django_db
def test_ready_answers_while_the_database_stands_still(client, monkeypatch):
    """As with a disk that does nothing: connections stay, statements never end."""
    ends = threading.Event()
    monkeypatch.setattr(health, "_ask_database", ends.wait)
    monkeypatch.setattr(health, "_PATIENCE_S", 0.05)
    for _ in range(3):
        answer = client.get("/ready")
        assert (answer.status_code, answer.json()["checks"]["database"]) == (503, "TimeoutError")
    assert [each.name for each in threading.enumerate() if each.name.startswith("ready")] == [
        "ready_0"
    ]
    ends.set()
    monkeypatch.undo()
    assert client.get("/ready").status_code == 200


@pytest.mark.django_db
def test_a_server_whose_network_is_gone_is_given_up_after_15_seconds():
    connection.ensure_connection()
    with socket.socket(fileno=connection.connection.fileno()) as ours:
        unacknowledged_ms = ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        idle_s = ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        ours.detach()
    assert (unacknowledged_ms, idle_s) == (15_000, 5)
