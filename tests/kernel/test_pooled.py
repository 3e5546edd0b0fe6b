"""A pooled connection is asked only when its server has spoken, and replaced when closed."""

import copy

import psycopg
import pytest
from django.db import connection

from midst.kernel.postgres.base import DatabaseWrapper


@pytest.fixture
def pooled(db):
    """The test's database through a pool of one connection."""
    settings = copy.deepcopy(connection.settings_dict)
    settings["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 1, "timeout": 20}
    pooled = DatabaseWrapper(settings)
    yield pooled
    pooled.close()
    pooled.close_pool()


@pytest.fixture
def other(db):
    """A connection of somebody else."""
    known = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    with psycopg.connect(
        autocommit=True, **{name: known[name] for name in names if name in known}
    ) as other:
        yield other


def ask(pooled, statement):
    """As a request does: take a connection, ask, give it back. Return its process and the row."""
    with pooled.cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        process = pooled.connection.info.backend_pid
    pooled.close()
    return process, row


def test_a_connection_that_is_well_is_asked_nothing(pooled, other):
    process, _ = ask(pooled, "SELECT 'the last one'")
    pooled.ensure_connection()
    assert pooled.connection.info.backend_pid == process
    asked = other.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", [process])
    assert asked.fetchone() == ("SELECT 'the last one'",)


def test_one_that_its_server_closed_is_replaced(pooled, other):
    before, _ = ask(pooled, "SELECT 1")
    assert other.execute("SELECT pg_terminate_backend(%s, 5000)", [before]).fetchone() == (True,)
    process, row = ask(pooled, "SELECT 1")
    assert (process != before, row) == (True, (1,))


def test_one_with_something_to_read_is_kept(pooled, other):
    before, _ = ask(pooled, "LISTEN something")
    other.execute("NOTIFY something")
    assert ask(pooled, "SELECT 1") == (before, (1,))
