"""Liveness touches nothing; readiness says what is missing."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from django.db import connection, connections
from django.test import Client

from midst import health


@pytest.fixture(autouse=True)
def nothing_known():
    """Each test asks the servers, and none leaves its faults to the next."""
    health.forget()
    yield
    health.forget()


def test_health_answers_without_touching_anything(client):
    # No database mark: a query would be an error.
    assert client.get("/health").json() == {"status": "ok"}


@pytest.mark.django_db
def test_ready_checks_database_cache_and_migrations(client):
    answer = client.get("/ready")
    assert answer.status_code == 200
    known = client.get("/status").json()
    assert (known["status"], known["checks"]) == ("ok", answer.json()["checks"])
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
        health.forget()
        answer = client.get("/ready")
        assert (answer.status_code, answer.json()["checks"]["database"]) == (503, "TimeoutError")
    assert [each.name for each in threading.enumerate() if each.name.startswith("ready")] == [
        "ready_0"
    ]
    ends.set()
    monkeypatch.undo()
    health.forget()
    assert client.get("/ready").status_code == 200


@pytest.fixture
def asked(monkeypatch):
    """How often the database was asked; no answer grows old while a test runs."""
    monkeypatch.setattr(health, "_FRESH_S", 1_000)
    monkeypatch.setattr(health, "_OLD_S", 5_000)
    times = []
    monkeypatch.setitem(health._CHECKS, "database", lambda: times.append(1))
    return times


def known_for(monkeypatch, seconds):
    """Make what is known ``seconds`` older."""
    monkeypatch.setattr(health, "_found", replace(health._found, at=health._found.at - seconds))


@pytest.mark.django_db
def test_many_probes_ask_the_servers_once(client, asked):
    for _ in range(20):
        assert client.get("/ready").status_code == 200
    assert client.get("/status").status_code == 200
    assert asked == [1]


@pytest.mark.django_db
def test_a_probe_says_how_old_its_answer_is(client, asked, monkeypatch):
    assert client.get("/ready").json()["age_s"] < 500
    known_for(monkeypatch, 500)
    assert 500 <= client.get("/ready").json()["age_s"] < 1_000


@pytest.mark.django_db
def test_an_answer_of_a_second_is_renewed_and_no_probe_waits_for_it(client, asked, monkeypatch):
    client.get("/ready")
    started, goes_on = threading.Event(), threading.Event()

    def hangs():
        started.set()
        assert goes_on.wait(30)

    monkeypatch.setitem(health._CHECKS, "database", hangs)
    known_for(monkeypatch, 2_000)
    assert [client.get("/ready").status_code for _ in range(3)] == [200, 200, 200]
    assert started.wait(30)
    goes_on.set()
    health._asking.result(30)
    assert client.get("/ready").json()["age_s"] < 1_000


@pytest.mark.django_db
def test_a_probe_that_comes_after_long_gets_an_answer_of_now(client, asked, monkeypatch):
    client.get("/ready")
    known_for(monkeypatch, 10_000)
    answer = client.get("/ready")
    assert asked == [1, 1]
    assert answer.json()["age_s"] < 1_000


@pytest.mark.django_db
def test_probes_that_come_together_share_one_check(client, asked):
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: Client().get("/ready").status_code, range(16)))
    assert answers == [200] * 16
    assert asked == [1]


@pytest.mark.django_db
def test_a_server_whose_network_is_gone_is_given_up_after_15_seconds():
    connection.ensure_connection()
    with socket.socket(fileno=connection.connection.fileno()) as ours:
        unacknowledged_ms = ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        idle_s = ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
        ours.detach()
    assert (unacknowledged_ms, idle_s) == (15_000, 5)
