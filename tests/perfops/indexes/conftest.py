"""Databases to try index advice on: PostgreSQL 18 as it is, 15 and 17 with hypopg."""

import os

import pytest
from django.db import connections

from tests.perfops.clusters import OTHERS
from tests.perfops.indexes import bench, debian

# Not in the lock file, so not in `make test`.
_INSTALLED = {"debian_server", "newer_server"}
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if _INSTALLED & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def embedded(rehearsing, django_db_blocker):
    # Not through django_db: its transaction would be around what is tried.
    with django_db_blocker.unblock():
        yield rehearsing


@pytest.fixture
def with_hypopg(planning, django_db_blocker):
    with django_db_blocker.unblock():
        yield planning


@pytest.fixture
def with_hiding(newer, django_db_blocker):
    with django_db_blocker.unblock():
        yield newer


@pytest.fixture(scope="module")
def rehearsing(django_db_setup, django_db_blocker):
    """PostgreSQL 18 without hypopg: what is proved is rehearsed."""
    with django_db_blocker.unblock():
        settings = dict(connections.databases["default"])
        with bench.database(settings, f"advice_{_WORKER}") as made:
            yield made


@pytest.fixture(scope="session")
def debian_server():
    if not debian.is_there():
        if os.environ.get("CI"):
            pytest.fail("postgresql-15 and postgresql-15-hypopg are missing: CI must install them.")
        pytest.skip("Debian's postgresql-15 with postgresql-15-hypopg is not installed")
    with debian.server() as settings:
        yield settings


@pytest.fixture(scope="module")
def planning(debian_server, django_db_setup, django_db_blocker):
    """PostgreSQL 15 with hypopg 1.3, which can't hide an index."""
    with django_db_blocker.unblock(), _planning(debian_server, "hypopg") as made:
        yield made


@pytest.fixture(scope="session")
def empty_database(debian_server, django_db_setup, django_db_blocker):
    """PostgreSQL 15 with hypopg 1.3 and no tables: each test makes its own in a schema."""
    settings = {**connections.databases["default"], **debian_server}
    extension = "CREATE EXTENSION pg_stat_statements"
    with (
        django_db_blocker.unblock(),
        bench.database(settings, f"empty_{_WORKER}", hypopg=True, tables=extension) as made,
    ):
        yield made


@pytest.fixture
def own(empty_database, django_db_blocker):
    """The empty database, where what a test makes in public goes at its end."""
    with django_db_blocker.unblock():
        try:
            yield empty_database
        finally:
            cursor = empty_database.cursor
            cursor.execute(
                "SELECT format('DROP %s IF EXISTS %s CASCADE', CASE relkind WHEN 'v' THEN 'VIEW'"
                " WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END, oid::regclass)"
                " FROM pg_class WHERE relnamespace = 'public'::regnamespace"
                " AND relkind IN ('r', 'p', 'v', 'm') AND NOT EXISTS (SELECT FROM pg_depend"
                " WHERE objid = pg_class.oid AND deptype = 'e') ORDER BY relkind = 'v', oid"
            )
            for (statement,) in cursor.fetchall():
                cursor.execute(statement)


@pytest.fixture(scope="session")
def newer_server():
    folder = debian.with_hiding()
    if folder is None:
        if os.environ.get("CI") and OTHERS in os.environ:
            pytest.fail(f"No PostgreSQL with hypopg 1.4 in {OTHERS}: CI must put one there.")
        pytest.skip("no PostgreSQL with hypopg 1.4 is installed")
    with debian.server(folder) as settings:
        yield settings


@pytest.fixture(scope="module")
def newer(newer_server, django_db_setup, django_db_blocker):
    """PostgreSQL 17, or what else there is, with a hypopg that can hide indexes."""
    with django_db_blocker.unblock(), _planning(newer_server, "hiding") as made:
        yield made


def _planning(server, name):
    settings = {**connections.databases["default"], **server}
    return bench.database(settings, f"{name}_{_WORKER}", hypopg=True)
